use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use types::{OrderId, UnixMillis};

use super::{DelayQueue, QueueError};
use crate::store::DueOrder;

/// Deadlines in memory, sorted; filled from the database by the sweep after every start.
#[derive(Debug, Default)]
pub struct EmbeddedQueue {
    deadlines: Mutex<Deadlines>,
}

#[derive(Debug, Default)]
struct Deadlines {
    soonest_first: BTreeSet<DueOrder>,
    by_order: HashMap<OrderId, UnixMillis>,
}

impl EmbeddedQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    fn deadlines(&self) -> MutexGuard<'_, Deadlines> {
        self.deadlines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deadlines {
    fn put(&mut self, entry: DueOrder) {
        if let Some(due_at) = self.by_order.insert(entry.id, entry.due_at) {
            self.soonest_first.remove(&DueOrder {
                due_at,
                id: entry.id,
            });
        }
        self.soonest_first.insert(entry);
    }

    fn take(&mut self, id: OrderId) {
        if let Some(due_at) = self.by_order.remove(&id) {
            self.soonest_first.remove(&DueOrder { due_at, id });
        }
    }

    fn due(&self, now: UnixMillis, limit: usize) -> Vec<OrderId> {
        let due = self
            .soonest_first
            .iter()
            .take_while(|entry| entry.due_at <= now);
        due.take(limit).map(|entry| entry.id).collect()
    }
}

#[async_trait]
impl DelayQueue for EmbeddedQueue {
    async fn schedule(&self, entries: &[DueOrder]) -> Result<(), QueueError> {
        let mut deadlines = self.deadlines();
        for entry in entries {
            deadlines.put(*entry);
        }
        Ok(())
    }

    async fn claim_due(
        &self,
        now: UnixMillis,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<OrderId>, QueueError> {
        let mut deadlines = self.deadlines();
        let claimed = deadlines.due(now, limit);
        for id in &claimed {
            deadlines.put(DueOrder {
                due_at: now.plus(lease),
                id: *id,
            });
        }
        Ok(claimed)
    }

    async fn remove(&self, orders: &[OrderId]) -> Result<(), QueueError> {
        let mut deadlines = self.deadlines();
        for id in orders {
            deadlines.take(*id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! Proves that deadlines come soonest first, and that what was claimed comes back unless it is
    //! taken out.

    use super::*;

    const LEASE: Duration = Duration::from_millis(100);

    fn entry(due_at: i64, id: u64) -> DueOrder {
        DueOrder {
            due_at: UnixMillis::new(due_at),
            id: OrderId::new(id).unwrap(),
        }
    }

    async fn claim(queue: &EmbeddedQueue, now: i64, limit: usize) -> Vec<u64> {
        let claimed = queue
            .claim_due(UnixMillis::new(now), limit, LEASE)
            .await
            .unwrap();
        claimed.into_iter().map(OrderId::get).collect()
    }

    #[tokio::test]
    async fn deadlines_come_when_they_are_due_soonest_first() {
        let queue = EmbeddedQueue::new();
        queue
            .schedule(&[entry(30, 1), entry(10, 2), entry(20, 3)])
            .await
            .unwrap();
        assert!(claim(&queue, 9, 10).await.is_empty());
        assert_eq!(claim(&queue, 20, 1).await, [2]);
        assert_eq!(claim(&queue, 20, 10).await, [3]);
    }

    #[tokio::test]
    async fn what_was_claimed_and_not_taken_out_comes_back() {
        let queue = EmbeddedQueue::new();
        queue.schedule(&[entry(10, 1), entry(10, 2)]).await.unwrap();
        assert_eq!(claim(&queue, 10, 10).await, [1, 2]);
        queue.remove(&[OrderId::new(1).unwrap()]).await.unwrap();
        assert!(claim(&queue, 109, 10).await.is_empty(), "the lease runs");
        assert_eq!(claim(&queue, 110, 10).await, [2]);
    }

    #[tokio::test]
    async fn a_deadline_that_moves_is_there_once() {
        let queue = EmbeddedQueue::new();
        queue.schedule(&[entry(10, 1)]).await.unwrap();
        queue.schedule(&[entry(10, 1), entry(50, 1)]).await.unwrap();
        assert!(claim(&queue, 49, 10).await.is_empty());
        assert_eq!(claim(&queue, 50, 10).await, [1]);
        queue.remove(&[OrderId::new(1).unwrap()]).await.unwrap();
        assert!(queue.deadlines().by_order.is_empty());
        assert!(queue.deadlines().soonest_first.is_empty());
    }
}
