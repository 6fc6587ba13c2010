use std::sync::Arc;

use api::catalog::v1::catalog_service_client::CatalogServiceClient;
use api::catalog::v1::{BatchGetBooksRequest, Book};
use async_trait::async_trait;
use platform::coalescer::Coalescer;
use platform::context::CallContext;
use platform::deadline::Deadline;
use platform::net::{Transport, call};
use types::{BookId, Fen};

use super::{CALL_LIMIT, CatalogClient, Unanswered, nonsense, unanswered};
use crate::domain::{ITEMS_MAX, Quote};

const SERVICE: &str = "catalog";
/// The longest title there is, in characters; the order's own column is as wide.
const TITLE_CHARS_MAX: usize = 200;
/// The books of the largest order, all with the longest descriptions, fit.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The catalog over gRPC, asked once for all orders that are priced at the same moment.
pub struct CatalogGrpc {
    client: CatalogServiceClient<Transport>,
    coalescer: Coalescer<BookId, Quote>,
}

impl CatalogGrpc {
    /// The catalog behind `transport`.
    pub fn new(transport: Transport) -> Self {
        let client = CatalogServiceClient::new(transport);
        Self {
            client: client.max_decoding_message_size(REPLY_BYTES_MAX),
            coalescer: Coalescer::new(ITEMS_MAX),
        }
    }

    async fn ask(
        &self,
        context: &CallContext,
        books: Vec<BookId>,
    ) -> Result<Vec<Quote>, Unanswered> {
        let message = BatchGetBooksRequest {
            book_ids: books.into_iter().map(BookId::get).collect(),
        };
        let mut client = self.client.clone();
        let reply = call(context, CALL_LIMIT, message, |request| async move {
            client.batch_get_books(request).await
        })
        .await
        .map_err(|error| unanswered(SERVICE, error))?;
        if reply.code != 0 {
            return Err(nonsense(SERVICE, "a code that reads never have"));
        }
        reply.books.into_iter().map(read_quote).collect()
    }
}

#[async_trait]
impl CatalogClient for CatalogGrpc {
    async fn read_books(
        &self,
        context: &CallContext,
        books: &[BookId],
    ) -> Result<Arc<[Quote]>, Unanswered> {
        let deadline = Deadline::after(CALL_LIMIT).earlier(context.deadline);
        let context = CallContext {
            deadline,
            ..context.clone()
        };
        let found = self
            .coalescer
            .find(books, |books| self.ask(&context, books));
        deadline.within(found).await.unwrap_or_else(|passed| {
            Err(Unanswered {
                service: SERVICE,
                reason: passed.to_string(),
                late: true,
            })
        })
    }
}

fn read_quote(book: Book) -> Result<Quote, Unanswered> {
    let book_id = BookId::new(book.id).ok_or_else(|| nonsense(SERVICE, "a bad book id"))?;
    let price = Fen::price(book.price).ok_or_else(|| nonsense(SERVICE, "a bad price"))?;
    if book.title.chars().count() > TITLE_CHARS_MAX {
        return Err(nonsense(SERVICE, "a title that is too long"));
    }
    Ok(Quote {
        book_id,
        title: book.title,
        price,
        unpublished: book.unpublished,
    })
}
