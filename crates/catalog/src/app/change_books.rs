//! Publishing, updating, unpublishing: each one operation for the writer.

use std::sync::Arc;

use platform::deadline::Deadline;
use types::BookId;

use super::Catalog;
use crate::domain::{Book, Details, Op, Patch, Publish, Unpublish, Update};
use crate::error::CatalogError;

/// A checked request to publish a book.
#[derive(Debug)]
pub(crate) struct PublishBook {
    /// The id to take; `None`: a generated one.
    pub(crate) id: Option<BookId>,
    /// What the book is.
    pub(crate) details: Details,
}

/// A checked request to change a book.
#[derive(Debug)]
pub(crate) struct UpdateBook {
    /// The book.
    pub(crate) id: BookId,
    /// What to change.
    pub(crate) patch: Patch,
}

impl Catalog {
    /// Publishes a book and returns it as stored.
    ///
    /// Not idempotent; but if an id or an ISBN was given, a repeat is refused and does no harm.
    pub(crate) async fn publish_book(
        &self,
        asked: PublishBook,
        deadline: Deadline,
    ) -> Result<Arc<Book>, CatalogError> {
        let (PublishBook { id, details }, at) = (asked, self.clock.now());
        self.change(Op::Publish(Publish { id, details, at }), deadline)
            .await
    }

    /// Changes some of a book's details and returns the whole book. Idempotent.
    pub(crate) async fn update_book(
        &self,
        asked: UpdateBook,
        deadline: Deadline,
    ) -> Result<Arc<Book>, CatalogError> {
        let (UpdateBook { id, patch }, at) = (asked, self.clock.now());
        self.change(Op::Update(Update { id, patch, at }), deadline)
            .await
    }

    /// Takes a book out of lists, search and new orders. Idempotent.
    pub(crate) async fn unpublish_book(
        &self,
        id: BookId,
        deadline: Deadline,
    ) -> Result<Arc<Book>, CatalogError> {
        let at = self.clock.now();
        self.change(Op::Unpublish(Unpublish { id, at }), deadline)
            .await
    }

    async fn change(&self, op: Op, deadline: Deadline) -> Result<Arc<Book>, CatalogError> {
        let outcome = self
            .writes
            .submit(op, deadline)
            .await
            .map_err(CatalogError::Write)?;
        Ok(outcome?)
    }
}
