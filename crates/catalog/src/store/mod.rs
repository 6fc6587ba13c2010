//! Where books are kept: a trait of whole units of work, and its implementations.
//!
//! - [`MemoryStore`]: the model; it keeps nothing across a restart;
//! - [`SqlStore`]: the catalog's database.
//!
//! Both decide by the same rules ([`crate::domain::Rows::apply`]); one suite of tests runs on both.

mod memory;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::DbError;
use types::{BookId, Page};

use crate::domain::{Book, Listing, Op, Outcome, Revision};

pub use memory::{MemoryStore, Snapshot};
pub use sql::SqlStore;

/// One page of the published books.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishedPage {
    /// The books, by ascending id.
    pub books: Vec<Arc<Book>>,
    /// How many books all pages hold together.
    pub total: u64,
}

/// Keeps the books. Every method is one unit of work.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies a batch of operations, one after the other, in one transaction; returns one outcome each, in order.
    ///
    /// # Errors
    /// Any error but [`DbError::OutcomeUnknown`] means that nothing of the batch was done.
    async fn apply_batch(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError>;

    /// Reads the books with these ids, in any order; ids without a book are left out.
    async fn load_books(&self, ids: &[BookId]) -> Result<Vec<Arc<Book>>, DbError>;

    /// Reads one page of the published books, with their total on the same snapshot.
    async fn list_published(&self, page: Page) -> Result<PublishedPage, DbError>;

    /// Reads the books that changed after `after`, by ascending revision, at most `limit`.
    ///
    /// A book that changed twice comes once, with its last change. Once a revision has been seen,
    /// no smaller one appears: revisions become visible in their order.
    async fn list_changes(&self, after: Revision, limit: u32) -> Result<Vec<Listing>, DbError>;

    /// Waits for running work and releases all resources.
    async fn close(&self);
}
