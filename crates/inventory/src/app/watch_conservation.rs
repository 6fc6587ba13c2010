use std::sync::Arc;
use std::time::Duration;

use platform::db::DbError;
use platform::tasks::Tasks;
use tokio::sync::Mutex;

use super::Inventory;
use crate::store::{LedgerSums, Store};

/// How often balances are held against the ledger.
const EVERY: Duration = Duration::from_secs(15);

/// Holds the balances against the ledger, time and again, and shows the difference as a metric.
pub(crate) struct ConservationWatch {
    store: Arc<dyn Store>,
    /// The ledger as far as it was added up: a round reads only what is new.
    known: Mutex<LedgerSums>,
}

impl ConservationWatch {
    /// Starts to watch the store of `inventory`, until the service stops.
    pub(crate) fn start(inventory: &Inventory, tasks: &Tasks) {
        let watch = Arc::new(Self {
            store: Arc::clone(&inventory.store),
            known: Mutex::new(LedgerSums::default()),
        });
        tasks.repeat("watch_conservation", EVERY, move || {
            let watch = Arc::clone(&watch);
            async move { watch.report().await }
        });
    }

    async fn report(&self) {
        match self.read_drift().await {
            Ok(drift) => {
                let gauge = metrics::gauge!("bookstore_inventory_conservation_drift");
                gauge.set(f64::from(u32::try_from(drift).unwrap_or(u32::MAX)));
                if drift != 0 {
                    tracing::error!(drift, "balances and ledger differ: run `bookstore check`");
                }
            }
            Err(error) => tracing::warn!(%error, "the conservation of stock was not checked"),
        }
    }

    /// How many copies balances and ledger are apart.
    async fn read_drift(&self) -> Result<u64, DbError> {
        let mut known = self.known.lock().await;
        let mut sums = self.store.read_sums(*known).await?;
        if sums.drift() != 0 {
            // With several writers an entry may become visible after one with a higher id, and
            // a sum that goes on from the higher id has missed it: only a whole count accuses.
            sums = self.store.read_sums(LedgerSums::default()).await?;
        }
        *known = sums.ledger;
        Ok(sums.drift())
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the watch accuses where copies are missing, and only there.

    use async_trait::async_trait;
    use platform::combiner::Batch;
    use types::BookId;

    use super::*;
    use crate::audit::Audit;
    use crate::domain::{Decision, Op, Stock};
    use crate::store::Sums;

    /// A ledger of ten copies in two entries. The first entry, id 1, became visible late: a sum
    /// that goes on from id 2 misses it.
    struct LateEntry {
        balance: i64,
    }

    #[async_trait]
    impl Store for LateEntry {
        async fn apply(&self, _batch: Batch<Op>) -> Result<Vec<Decision>, DbError> {
            Ok(Vec::new())
        }

        async fn read_stocks(&self, _books: &[BookId]) -> Result<Vec<Stock>, DbError> {
            Ok(Vec::new())
        }

        async fn read_sums(&self, known: LedgerSums) -> Result<Sums, DbError> {
            let whole = LedgerSums {
                last_entry: 2,
                quantity: 10,
                reserved: 0,
            };
            let ledger = if known.last_entry == 2 { known } else { whole };
            Ok(Sums {
                quantity: self.balance,
                reserved: 0,
                ledger,
            })
        }

        async fn read_audit(&self) -> Result<Audit, DbError> {
            Ok(Audit::default())
        }

        async fn close(&self) {}
    }

    async fn drift_with(balance: i64, known: LedgerSums) -> u64 {
        let store = Arc::new(LateEntry { balance });
        let watch = ConservationWatch {
            store,
            known: Mutex::new(known),
        };
        watch.read_drift().await.unwrap()
    }

    #[tokio::test]
    async fn an_entry_that_became_visible_late_is_no_drift() {
        let missed_one = LedgerSums {
            last_entry: 2,
            quantity: 4,
            reserved: 0,
        };
        assert_eq!(drift_with(10, missed_one).await, 0);
    }

    #[tokio::test]
    async fn copies_that_no_entry_explains_are_a_drift() {
        let known = LedgerSums {
            last_entry: 2,
            quantity: 10,
            reserved: 0,
        };
        assert_eq!(drift_with(13, known).await, 3);
        assert_eq!(drift_with(7, LedgerSums::default()).await, 3);
    }
}
