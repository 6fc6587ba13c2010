//! A delay queue that all replicas share, that is away now and then, and that forgets.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use order::delay_queue::{DelayQueue, EmbeddedQueue, QueueError};
use order::store::DueOrder;
use platform::clock::pause;
use types::{OrderId, UnixMillis};

use crate::node::Life;
use crate::tally::Moment;
use crate::world::{World, lock};

/// One process's way to the shared queue.
pub(crate) struct SharedQueue {
    pub(crate) world: Arc<World>,
    pub(crate) life: Life,
}

impl SharedQueue {
    /// The queue, where it can be reached this time.
    async fn reach(&self) -> Result<Arc<EmbeddedQueue>, QueueError> {
        self.life.goes_on().await;
        let chance = &self.world.chances.disk;
        let wait = chance.millis(0, self.world.plan.disk.delay_ms_max / 4);
        if !wait.is_zero() {
            pause(wait).await;
        }
        self.life.goes_on().await;
        if chance.happens(self.world.rate(self.world.plan.queue.fail)) {
            self.world.count(Moment::QueueAway);
            return Err(QueueError("simulated".to_owned()));
        }
        Ok(Arc::clone(&lock(&self.world.shared_queue)))
    }
}

#[async_trait]
impl DelayQueue for SharedQueue {
    async fn schedule(&self, entries: &[DueOrder]) -> Result<(), QueueError> {
        self.reach().await?.schedule(entries).await
    }

    async fn claim_due(
        &self,
        now: UnixMillis,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<OrderId>, QueueError> {
        self.reach().await?.claim_due(now, limit, lease).await
    }

    async fn remove(&self, orders: &[OrderId]) -> Result<(), QueueError> {
        self.reach().await?.remove(orders).await
    }
}

/// Everything in the shared queue is gone, as after a restart without its file.
pub(crate) fn flush(world: &World) {
    *lock(&world.shared_queue) = Arc::default();
    world.count(Moment::QueueFlushed);
    world.trace.tell(format_args!("the delay queue is flushed"));
}
