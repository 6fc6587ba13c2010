use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::DbError;
use types::{BookId, Page};

use super::{PublishedPage, Store};
use crate::domain::{Book, Listing, Op, Outcome, Revision, Rows};

/// Books in memory: the rules, and nothing else.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Mutex<Rows>,
}

/// Everything that a [`MemoryStore`] held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(Rows);

impl MemoryStore {
    /// A store without books.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the store holds now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.rows().clone())
    }

    /// Goes back to what the store held at `snapshot`.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.rows().clone_from(&snapshot.0);
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        // Rules do not panic halfway; were one to, the rows it held would still be whole books.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn apply_batch(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let mut rows = self.rows();
        let outcomes = batch.iter().map(|op| rows.apply(op)).collect();
        rows.settle();
        Ok(outcomes)
    }

    async fn load_books(&self, ids: &[BookId]) -> Result<Vec<Arc<Book>>, DbError> {
        let rows = self.rows();
        Ok(ids
            .iter()
            .filter_map(|id| rows.book(*id))
            .cloned()
            .collect())
    }

    async fn list_published(&self, page: Page) -> Result<PublishedPage, DbError> {
        let rows = self.rows();
        let published: Vec<_> = rows.books().filter(|book| !book.unpublished).collect();
        let skip = usize::try_from(page.offset()).unwrap_or(usize::MAX);
        let size = usize::try_from(page.size()).unwrap_or(usize::MAX);
        Ok(PublishedPage {
            books: published
                .iter()
                .skip(skip)
                .take(size)
                .map(|book| Arc::clone(book))
                .collect(),
            total: u64::try_from(published.len()).unwrap_or(u64::MAX),
        })
    }

    async fn list_changes(&self, after: Revision, limit: u32) -> Result<Vec<Listing>, DbError> {
        let rows = self.rows();
        let mut changed: Vec<_> = rows.books().filter(|book| book.revision > after).collect();
        changed.sort_by_key(|book| book.revision);
        changed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(changed.into_iter().map(|book| book.listing()).collect())
    }

    async fn close(&self) {}
}
