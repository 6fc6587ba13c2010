use std::sync::Arc;

use async_trait::async_trait;
use catalog::domain::{Book, Listing, Op, Outcome, Revision};
use catalog::store::{PublishedPage, Store};
use platform::combiner::Batch;
use platform::db::DbError;
use types::{BookId, Page};

use super::Disk;

/// The catalog's database, as one process reaches it.
pub(crate) struct CatalogDisk(pub(crate) Disk);

impl CatalogDisk {
    fn store(&self) -> &catalog::store::MemoryStore {
        &self.0.world.stores.catalog
    }
}

#[async_trait]
impl Store for CatalogDisk {
    async fn apply_batch(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let len = batch.len();
        let what = format!("{len} changes of books");
        self.0.write(&what, self.store().apply_batch(batch)).await
    }

    async fn load_books(&self, ids: &[BookId]) -> Result<Vec<Arc<Book>>, DbError> {
        self.0.read(self.store().load_books(ids)).await
    }

    async fn list_published(&self, page: Page) -> Result<PublishedPage, DbError> {
        self.0.read(self.store().list_published(page)).await
    }

    async fn list_changes(&self, after: Revision, limit: u32) -> Result<Vec<Listing>, DbError> {
        self.0.read(self.store().list_changes(after, limit)).await
    }

    async fn close(&self) {}
}
