use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::ensure;
use api::catalog::v1 as wire;
use async_trait::async_trait;
use catalog::domain::{Draft, Revision};
use catalog::store::{MemoryStore, Snapshot, Store};
use platform::net::Transport;
use platform::server::RunningService;
use types::{BookId, Violations};

use super::{World, ask, deps, let_others_run, words_of};

/// Four books, one of them withdrawn, one without an ISBN, one with an id far away.
pub(super) struct CatalogWorld {
    running: Option<RunningService>,
    transport: Transport,
    store: Arc<MemoryStore>,
    remembered: Snapshot,
    words: Vec<String>,
}

impl CatalogWorld {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let store = Arc::new(MemoryStore::new());
        let parts = catalog::Parts {
            store: Arc::<MemoryStore>::clone(&store),
            redis: None,
        };
        let running = catalog::start_with(parts, deps()).await?;
        let transport = running.transport();
        seed(&transport).await?;
        let words = [
            "Go微服务实战",
            "刘慈欣",
            "978-7-5366-9293-0",
            "9787536692930",
            "The Go Programming Language",
            "title",
            "author",
            "isbn",
            "price",
            "description",
            "-",
            "ŉ",
        ];
        Ok(Self {
            remembered: store.snapshot(),
            running: Some(running),
            transport,
            store,
            words: words_of(words),
        })
    }
}

async fn seed(transport: &Transport) -> anyhow::Result<()> {
    let path = |method: &str| format!("/catalog.v1.CatalogService/{method}");
    let books = [
        (1, "三体", "978-7-5366-9293-0"),
        (2, "Go微服务实战", "9787111547426"),
        (0, "The Go Programming Language", ""),
        (types::ID_MAX, "活着", "x"),
    ];
    for (id, title, isbn) in books {
        let book = wire::Book {
            id,
            title: title.to_owned(),
            author: "刘慈欣".to_owned(),
            isbn: isbn.to_owned(),
            price: 2300,
            ..Default::default()
        };
        let publish = wire::PublishBookRequest { book: Some(book) };
        let reply: wire::PublishBookResponse =
            ask(transport, &path("PublishBook"), publish).await?;
        ensure!(reply.code == 0, "{reply:?}");
    }
    let unpublish = wire::UnpublishBookRequest { book_id: 2 };
    let reply: wire::UnpublishBookResponse =
        ask(transport, &path("UnpublishBook"), unpublish).await?;
    ensure!(reply.code == 0, "{reply:?}");
    Ok(())
}

#[async_trait(?Send)]
impl World for CatalogWorld {
    fn transport(&self) -> Transport {
        self.transport.clone()
    }

    fn words(&self) -> &[String] {
        &self.words
    }

    fn remember(&mut self) {
        self.remembered = self.store.snapshot();
    }

    fn has_changed(&self) -> bool {
        self.store.snapshot() != self.remembered
    }

    /// The index follows the store by itself.
    async fn settle(&self) -> anyhow::Result<()> {
        if self.has_changed() {
            let_others_run().await;
        }
        Ok(())
    }

    async fn audit(&self) -> anyhow::Result<()> {
        let changes = self.store.list_changes(Revision::new(0), u32::MAX).await?;
        let ids: Vec<BookId> = changes.iter().map(|listing| listing.id).collect();
        let mut isbns = BTreeSet::new();
        for book in self.store.load_books(&ids).await? {
            let details = &book.details;
            let draft = Draft {
                title: &details.title,
                author: &details.author,
                isbn: details.isbn.as_ref().map_or("", |isbn| isbn.printed()),
                price: details.price.get(),
                description: &details.description,
            };
            let mut wrong = Violations::default();
            draft.check(&mut wrong);
            ensure!(wrong.is_empty(), "{book:?}: {wrong:?}");
            if let Some(isbn) = details.isbn_key() {
                ensure!(isbns.insert(isbn.clone()), "{isbn:?} twice");
            }
        }
        Ok(())
    }

    /// The cache and the index cannot be put back: everything is started anew.
    async fn restore(&mut self) -> anyhow::Result<()> {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        *self = Self::open().await?;
        Ok(())
    }
}
