use api::catalog::v1::catalog_service_client::CatalogServiceClient;
use api::catalog::v1::{BatchGetBooksRequest, Book};
use async_trait::async_trait;
use platform::context::CallContext;
use platform::net::{Transport, call};
use types::{BookId, Fen};

use super::{CALL_LIMIT, CatalogClient, Unanswered, nonsense, unanswered};
use crate::domain::Quote;

const SERVICE: &str = "catalog";
/// The longest title there is, in characters; the order's own column is as wide.
const TITLE_CHARS_MAX: usize = 200;
/// The books of the largest order, all with the longest descriptions, fit.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The catalog over gRPC.
#[derive(Clone)]
pub struct CatalogGrpc(CatalogServiceClient<Transport>);

impl CatalogGrpc {
    /// The catalog behind `transport`.
    pub fn new(transport: Transport) -> Self {
        let client = CatalogServiceClient::new(transport);
        Self(client.max_decoding_message_size(REPLY_BYTES_MAX))
    }
}

#[async_trait]
impl CatalogClient for CatalogGrpc {
    async fn read_books(
        &self,
        context: &CallContext,
        books: &[BookId],
    ) -> Result<Vec<Quote>, Unanswered> {
        let message = BatchGetBooksRequest {
            book_ids: books.iter().map(|id| id.get()).collect(),
        };
        let mut client = self.0.clone();
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
