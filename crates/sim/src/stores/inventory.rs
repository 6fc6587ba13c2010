use async_trait::async_trait;
use inventory::audit::Audit;
use inventory::domain::{Decision, Op, Stock};
use inventory::store::memory::MemoryStore;
use inventory::store::{LedgerSums, Store, Sums};
use platform::combiner::Batch;
use platform::db::DbError;
use types::BookId;

use super::Disk;
use crate::laws;

/// The inventory's database, as one process reaches it.
pub(crate) struct InventoryDisk(pub(crate) Disk);

impl InventoryDisk {
    fn store(&self) -> &MemoryStore {
        &self.0.world.stores.inventory
    }
}

#[async_trait]
impl Store for InventoryDisk {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Decision>, DbError> {
        let what = format!("{} movements of stock", batch.len());
        let commit = async {
            let decisions = self.store().apply(batch).await?;
            laws::after_stock_moved(&self.0.world);
            Ok(decisions)
        };
        self.0.write(&what, commit).await
    }

    async fn read_stocks(&self, books: &[BookId]) -> Result<Vec<Stock>, DbError> {
        self.0.read(self.store().read_stocks(books)).await
    }

    async fn read_sums(&self, known: LedgerSums, settled_to: i64) -> Result<Sums, DbError> {
        self.0.read(self.store().read_sums(known, settled_to)).await
    }

    async fn read_audit(&self) -> Result<Audit, DbError> {
        self.0.read(self.store().read_audit()).await
    }

    async fn close(&self) {}
}
