//! The catalog's database, in SQL that every supported server knows.
//!
//! One file per table: `books.rs`, `counters.rs`. Every writer locks the counters first, so that
//! writers of all replicas take turns: no deadlock, no gap between reading and writing, and
//! revisions become visible in their order.

mod books;
mod counters;

use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::{Database, DbError, Tx};
use types::{BookId, Page};

use super::{PublishedPage, Store};
use crate::domain::{Book, Listing, Op, Outcome, Revision, Rows};

/// Books in the catalog's own database.
#[derive(Clone)]
pub struct SqlStore {
    db: Database,
}

impl SqlStore {
    /// Keeps books in `db`, whose schema is up to date.
    pub const fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn apply_batch(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        self.db
            .write("catalog.apply", move |tx| {
                let batch = batch.clone();
                Box::pin(async move { apply_in(tx, &batch).await })
            })
            .await
    }

    async fn load_books(&self, ids: &[BookId]) -> Result<Vec<Arc<Book>>, DbError> {
        let ids: Arc<[BookId]> = ids.into();
        self.db
            .read_once("catalog.load", move |tx| {
                let ids = Arc::clone(&ids);
                Box::pin(async move { books::load(tx, &ids).await })
            })
            .await
    }

    async fn list_published(&self, page: Page) -> Result<PublishedPage, DbError> {
        self.db
            .read("catalog.list", move |tx| {
                Box::pin(books::list_published(tx, page))
            })
            .await
    }

    async fn list_changes(&self, after: Revision, limit: u32) -> Result<Vec<Listing>, DbError> {
        let changes = self
            .db
            .read_once("catalog.changes", move |tx| {
                Box::pin(books::list_changes(tx, after, limit))
            })
            .await?;
        // Nobody asks for a change again: were it taken back, its revision would be given to another.
        if !changes.is_empty() {
            self.db.sync().await?;
        }
        Ok(changes)
    }

    async fn close(&self) {
        self.db.close().await;
    }
}

/// Loads what the batch touches, applies it in memory, writes what changed.
async fn apply_in(tx: &mut Tx, batch: &[Op]) -> Result<Vec<Outcome>, DbError> {
    let mut rows = Rows::new(counters::lock(tx).await?);
    books::load_touched(tx, batch, &mut rows).await?;
    let before = rows.counters();
    let outcomes = batch.iter().map(|op| rows.apply(op)).collect();
    books::write_changes(tx, &rows).await?;
    counters::write(tx, before, rows.counters()).await?;
    Ok(outcomes)
}
