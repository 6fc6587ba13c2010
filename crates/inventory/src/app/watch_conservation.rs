use std::sync::Arc;
use std::time::Duration;

use platform::db::DbError;
use platform::tasks::Tasks;
use tokio::sync::Mutex;

use super::Inventory;
use crate::store::{LedgerSums, Store};

/// How often the balances are checked against the ledger.
const EVERY: Duration = Duration::from_secs(15);

/// Periodically checks the balances against the ledger and exports the difference as a metric.
pub(crate) struct ConservationWatch {
    store: Arc<dyn Store>,
    known: Mutex<Known>,
}

/// How far the ledger has been summed, so that a round reads only new entries.
///
/// With several writers an entry may become visible after one with a higher id. So a round resumes
/// where the last but one ended: what was in flight then has ended since.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    settled: LedgerSums,
    /// The highest entry id that the last round saw.
    seen: i64,
}

impl ConservationWatch {
    /// Starts watching the store of `inventory`, until the service stops.
    pub(crate) fn start(inventory: &Inventory, tasks: &Tasks) {
        let watch = Arc::new(Self {
            store: Arc::clone(&inventory.store),
            known: Mutex::default(),
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

    /// By how many copies the balances and the ledger differ.
    async fn read_drift(&self) -> Result<u64, DbError> {
        let mut known = self.known.lock().await;
        let mut sums = self.store.read_sums(known.settled, known.seen).await?;
        if sums.drift() != 0 {
            // An entry may have become visible even later: only a full recount may report drift.
            let whole = LedgerSums::default();
            sums = self.store.read_sums(whole, known.seen).await?;
        }
        *known = Known {
            settled: sums.settled,
            seen: sums.ledger.last_entry,
        };
        Ok(sums.drift())
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the watch reports drift exactly where there is some, and as a rule sums only what is new.

    use std::sync::Mutex as StdMutex;

    use async_trait::async_trait;
    use platform::combiner::Batch;
    use types::BookId;

    use super::*;
    use crate::audit::Audit;
    use crate::domain::{Decision, Op, Stock};
    use crate::store::Sums;

    /// A ledger of restocks, as (id, copies), as far as they are visible.
    #[derive(Default)]
    struct Ledger {
        entries: StdMutex<Vec<(i64, i64)>>,
        /// Copies that the balances have and no entry explains.
        surplus: i64,
        /// The `last_entry` that each sum started from.
        counted_from: StdMutex<Vec<i64>>,
    }

    #[async_trait]
    impl Store for Ledger {
        async fn apply(&self, _batch: Batch<Op>) -> Result<Vec<Decision>, DbError> {
            Ok(Vec::new())
        }

        async fn read_stocks(&self, _books: &[BookId]) -> Result<Vec<Stock>, DbError> {
            Ok(Vec::new())
        }

        async fn read_sums(&self, known: LedgerSums, settled_to: i64) -> Result<Sums, DbError> {
            self.counted_from.lock().unwrap().push(known.last_entry);
            let entries = self.entries.lock().unwrap();
            let add = |last: i64| {
                let new = entries.iter().filter(|(id, _)| *id > known.last_entry);
                new.filter(|(id, _)| *id <= last)
                    .fold(known, |sums, (id, quantity)| sums.and(*id, *quantity, 0))
            };
            let all: i64 = entries.iter().map(|(_, quantity)| quantity).sum();
            Ok(Sums {
                quantity: all + self.surplus,
                reserved: 0,
                ledger: add(i64::MAX),
                settled: add(settled_to),
            })
        }

        async fn read_audit(&self) -> Result<Audit, DbError> {
            Ok(Audit::default())
        }

        async fn close(&self) {}
    }

    fn watch(ledger: Ledger) -> (Arc<Ledger>, ConservationWatch) {
        let ledger = Arc::new(ledger);
        let store: Arc<dyn Store> = Arc::<Ledger>::clone(&ledger);
        let known = Mutex::default();
        (ledger, ConservationWatch { store, known })
    }

    fn counted_from(ledger: &Ledger) -> Vec<i64> {
        std::mem::take(&mut *ledger.counted_from.lock().unwrap())
    }

    #[tokio::test]
    async fn an_entry_that_becomes_visible_late_is_no_drift_and_costs_no_whole_count() {
        let (ledger, watch) = watch(Ledger::default());
        let see = |id| ledger.entries.lock().unwrap().push((id, 10));
        see(1);
        see(3);
        assert_eq!(watch.read_drift().await.unwrap(), 0);
        see(2);
        see(5);
        assert_eq!(watch.read_drift().await.unwrap(), 0);
        see(4);
        assert_eq!(watch.read_drift().await.unwrap(), 0);
        assert_eq!(watch.read_drift().await.unwrap(), 0);
        assert_eq!(counted_from(&ledger), [0, 0, 3, 5]);
    }

    #[tokio::test]
    async fn an_entry_that_comes_later_still_is_found_by_a_whole_count() {
        let (ledger, watch) = watch(Ledger::default());
        ledger.entries.lock().unwrap().push((2, 10));
        for _ in 0..3 {
            assert_eq!(watch.read_drift().await.unwrap(), 0);
        }
        assert_eq!(counted_from(&ledger), [0, 0, 2]);
        ledger.entries.lock().unwrap().push((1, 10));
        assert_eq!(watch.read_drift().await.unwrap(), 0);
        assert_eq!(watch.read_drift().await.unwrap(), 0);
        assert_eq!(counted_from(&ledger), [2, 0, 2]);
    }

    #[tokio::test]
    async fn copies_that_no_entry_explains_are_a_drift() {
        for surplus in [3, -3] {
            let (ledger, watch) = watch(Ledger {
                surplus,
                ..Ledger::default()
            });
            ledger.entries.lock().unwrap().push((1, 10));
            for _ in 0..3 {
                assert_eq!(watch.read_drift().await.unwrap(), 3);
            }
        }
    }
}
