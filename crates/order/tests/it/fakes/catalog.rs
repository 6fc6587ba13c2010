use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use api::catalog::v1::catalog_service_server::{CatalogService, CatalogServiceServer};
use api::catalog::v1::*;
use platform::net::Transport;
use tonic::{Request, Response, Status};

use super::{Script, deliver, lock, unused_methods};

/// Books, as many as a test needs.
#[derive(Debug, Default)]
pub(crate) struct FakeCatalog {
    pub(crate) reads: Script,
    books: Mutex<BTreeMap<u64, Book>>,
}

impl FakeCatalog {
    pub(crate) fn publish(&self, id: u64, title: &str, price: i64) {
        let book = Book {
            id,
            title: title.to_owned(),
            price,
            ..Default::default()
        };
        lock(&self.books).insert(id, book);
    }

    pub(crate) fn unpublish(&self, id: u64) {
        if let Some(book) = lock(&self.books).get_mut(&id) {
            book.unpublished = true;
        }
    }

    pub(crate) fn transport(self: &Arc<Self>) -> Transport {
        Transport::new(CatalogServiceServer::from_arc(Arc::clone(self)))
    }
}

#[tonic::async_trait]
impl CatalogService for FakeCatalog {
    async fn batch_get_books(
        &self,
        request: Request<BatchGetBooksRequest>,
    ) -> Result<Response<BatchGetBooksResponse>, Status> {
        let act = self.reads.act().await?;
        let books = lock(&self.books);
        let ids = &request.get_ref().book_ids;
        let found = ids.iter().filter_map(|id| books.get(id).cloned()).collect();
        deliver(
            act,
            BatchGetBooksResponse {
                books: found,
                ..Default::default()
            },
        )
    }

    unused_methods! {
        publish_book: PublishBookRequest => PublishBookResponse;
        get_book: GetBookRequest => GetBookResponse;
        list_books: ListBooksRequest => ListBooksResponse;
        search_books: SearchBooksRequest => SearchBooksResponse;
        update_book: UpdateBookRequest => UpdateBookResponse;
        unpublish_book: UnpublishBookRequest => UnpublishBookResponse;
    }
}
