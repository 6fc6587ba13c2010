//! One row into the shop: published or found, then stocked, each exactly once.

use std::time::Duration;

use api::catalog::v1::{
    Book, GetBookRequest, PublishBookRequest, PublishBookResponse, SearchBooksRequest,
};
use api::inventory::v1::RestockInventoryRequest;
use api::{Reply, Rpc};
use platform::clock;
use platform::context::CallContext;
use tokio_util::sync::CancellationToken;
use types::{BookId, Code, Fen, PAGE_SIZE_MAX};

use super::cells::fold;
use super::finding::{Kept, Refusal};
use super::retry::{CallFailure, Retry};
use super::row::Row;
use crate::clients::Clients;

/// How long one row may take, all tries of all its calls together.
const ROW_LIMIT: Duration = Duration::from_mins(1);
/// How often a search looks for a book that must be there; a book is findable 1 s after it was
/// published at the latest.
const LOOKS_MAX: u32 = 15;
const LOOK_WAIT: Duration = Duration::from_millis(100);

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It could be loaded; nobody was asked to.
    Valid,
    /// It is a new book.
    Published(Vec<Kept>),
    /// The book was there, as the row says but for these differences.
    Present(Vec<Kept>),
    /// It was not loaded.
    Refused(Refusal),
    /// The shop did not answer; it may be loaded, wholly or in part, or not.
    Unanswered(String),
}

/// Loads rows through the public calls.
#[derive(Clone)]
pub(crate) struct Loader {
    clients: Clients,
    retry: Retry,
}

/// A book of the shop that is the row's, and whether this row made it.
struct Placed {
    id: u64,
    is_new: bool,
    is_unpublished: bool,
    kept: Vec<Kept>,
}

/// Why a row has no book.
enum Unplaced {
    Refused(Refusal),
    Unanswered(String),
}

impl From<CallFailure> for Unplaced {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Rejected(reason) => Self::Refused(Refusal::Rejected(reason)),
            CallFailure::NoAnswer(reason) => Self::Unanswered(reason),
        }
    }
}

impl Loader {
    /// Loads through `clients`.
    pub(crate) fn new(clients: Clients) -> Self {
        Self {
            clients,
            retry: Retry {
                give_up: CancellationToken::new(),
            },
        }
    }

    /// Gives up on the shop: what still runs is not tried again.
    pub(super) fn give_up(&self) {
        self.retry.give_up.cancel();
    }

    /// Publishes the row's book, or finds it, and adds its stock under the identity's key.
    ///
    /// Idempotent: the ISBN, or the id of a book without one, keeps the book from being published
    /// twice; the key keeps its stock from being added twice.
    pub(super) async fn load(&self, row: &Row) -> Outcome {
        let context = CallContext::background("import", ROW_LIMIT);
        let placed = match &row.isbn {
            Some(isbn) => self.place_by_isbn(&context, row, isbn).await,
            None => self.place_by_words(&context, row).await,
        };
        let mut placed = match placed {
            Ok(placed) => placed,
            Err(Unplaced::Refused(refusal)) => return Outcome::Refused(refusal),
            Err(Unplaced::Unanswered(reason)) => return Outcome::Unanswered(reason),
        };
        if !placed.is_unpublished {
            match self.restock(&context, row, placed.id).await {
                Ok(kept) => placed.kept.extend(kept),
                Err(reason) => return Outcome::Unanswered(reason),
            }
        }
        if placed.is_new {
            Outcome::Published(placed.kept)
        } else {
            Outcome::Present(placed.kept)
        }
    }

    async fn place_by_isbn(
        &self,
        context: &CallContext,
        row: &Row,
        isbn: &str,
    ) -> Result<Placed, Unplaced> {
        let reply = self.publish(context, row, 0).await?;
        if reply.code == 0 {
            return Ok(Placed::new(reply.book_id));
        }
        if reply.code != Code::IsbnExists.number() {
            return Err(Unplaced::Refused(refused(&reply)));
        }
        let isbn = isbn.to_owned();
        let Some(book) = self.find_owner(context, &isbn).await? else {
            return Err(Unplaced::Refused(Refusal::IsbnOfUnpublished { isbn }));
        };
        match BookId::new(book.id) {
            Some(id) if fold(&book.title) != fold(&row.title) => {
                Err(Unplaced::Refused(Refusal::IsbnOfAnother {
                    isbn,
                    book: id,
                    title: book.title,
                }))
            }
            _ => Ok(Placed::found(&book, row)),
        }
    }

    /// A book without an ISBN is published under an id that follows from its identity, so that a
    /// lost answer, a second run or a second import at the same time cannot make a twin. The search
    /// before it finds a book that somebody published by hand.
    async fn place_by_words(&self, context: &CallContext, row: &Row) -> Result<Placed, Unplaced> {
        let found = self.search(context, &row.title).await?;
        let same = |book: &&Book| {
            book.title == row.title && book.author == row.author && book.isbn.is_empty()
        };
        if let Some(book) = found.iter().find(same) {
            return Ok(Placed::found(book, row));
        }
        let id = row.identity.book_id().map_or(0, BookId::get);
        let reply = self.publish(context, row, id).await?;
        if reply.code == 0 {
            return Ok(Placed::new(reply.book_id));
        }
        if reply.code != Code::BookIdExists.number() {
            return Err(Unplaced::Refused(refused(&reply)));
        }
        match self.get(context, id).await? {
            Some(book) => Ok(Placed::found(&book, row)),
            None => Err(Unplaced::Refused(refused(&reply))),
        }
    }

    async fn publish(
        &self,
        context: &CallContext,
        row: &Row,
        id: u64,
    ) -> Result<PublishBookResponse, CallFailure> {
        let book = Book {
            id,
            title: row.title.clone(),
            author: row.author.clone(),
            isbn: row.isbn.clone().unwrap_or_default(),
            price: row.price.get(),
            description: row.description.clone(),
            ..Book::default()
        };
        let publication = PublishBookRequest { book: Some(book) };
        self.call(context, publication).await
    }

    /// The published book with the ISBN; `None` where there is none within the time that a search
    /// may take to know a new book.
    async fn find_owner(
        &self,
        context: &CallContext,
        isbn: &str,
    ) -> Result<Option<Book>, CallFailure> {
        for _ in 0..LOOKS_MAX {
            let found = self.search(context, isbn).await?;
            let is_owner = |book: &Book| normalized(&book.isbn) == isbn;
            if let Some(book) = found.into_iter().find(is_owner) {
                return Ok(Some(book));
            }
            clock::pause(LOOK_WAIT).await;
        }
        Ok(None)
    }

    async fn search(&self, context: &CallContext, keyword: &str) -> Result<Vec<Book>, CallFailure> {
        let page_size = i32::try_from(PAGE_SIZE_MAX).unwrap_or_default();
        let search = SearchBooksRequest {
            keyword: keyword.to_owned(),
            page: 1,
            page_size,
        };
        Ok(self.call(context, search).await?.books)
    }

    async fn get(&self, context: &CallContext, book_id: u64) -> Result<Option<Book>, CallFailure> {
        Ok(self.call(context, GetBookRequest { book_id }).await?.book)
    }

    /// Adds the row's copies, once whatever happens. `Err`: no answer.
    async fn restock(
        &self,
        context: &CallContext,
        row: &Row,
        book_id: u64,
    ) -> Result<Option<Kept>, String> {
        let Some(stock) = row.stock else {
            return Ok(None);
        };
        let delivery = RestockInventoryRequest {
            book_id,
            quantity: stock.get(),
            idempotency_key: row.identity.stock_key(),
        };
        match self.call(context, delivery).await {
            Ok(reply) if reply.code == 0 => Ok(None),
            Ok(reply) if reply.code == Code::KeyConflict.number() => Ok(Some(Kept::Stock)),
            Ok(reply) => Ok(Some(Kept::StockRejected(told(&reply)))),
            Err(CallFailure::Rejected(reason)) => Ok(Some(Kept::StockRejected(reason))),
            Err(CallFailure::NoAnswer(reason)) => Err(reason),
        }
    }

    async fn call<M: Rpc>(
        &self,
        context: &CallContext,
        message: M,
    ) -> Result<M::Reply, CallFailure> {
        let call = |request| M::send(&self.clients, request);
        self.retry.call(context, message, call).await
    }
}

impl Placed {
    const fn new(id: u64) -> Self {
        Self {
            id,
            is_new: true,
            is_unpublished: false,
            kept: Vec::new(),
        }
    }

    fn found(book: &Book, row: &Row) -> Self {
        let mut kept = Vec::new();
        if book.unpublished {
            kept.push(Kept::Unpublished);
        }
        if fold(&book.title) != fold(&row.title) {
            kept.push(Kept::Title {
                there: book.title.clone(),
            });
        }
        if book.price != row.price.get() {
            kept.push(Kept::Price {
                there: Fen::stored(book.price),
                file: row.price,
            });
        }
        Self {
            id: book.id,
            is_new: false,
            is_unpublished: book.unpublished,
            kept,
        }
    }
}

fn refused(reply: &impl Reply) -> Refusal {
    Refusal::Rejected(told(reply))
}

fn told(reply: &impl Reply) -> String {
    format!("{} {}", reply.code(), reply.message())
}

/// An ISBN as it is compared: rows have theirs without hyphens, the shop's may be printed with them.
fn normalized(isbn: &str) -> String {
    types::Isbn::new(isbn)
        .map(|isbn| isbn.as_str().to_owned())
        .unwrap_or_default()
}
