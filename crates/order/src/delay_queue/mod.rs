//! Where deadlines wait for their moment.
//!
//! The queue makes cancelling punctual and cheap; it is never the truth. The truth is
//! `orders(status, expire_at)`: a sweep puts back what a queue lost, and the rules check each
//! deadline once more before they cancel anything.

mod embedded;

use std::time::Duration;

use async_trait::async_trait;
use types::{OrderId, UnixMillis};

use crate::store::DueOrder;

pub use embedded::EmbeddedQueue;

/// The queue is out of reach. Deadlines are found by the sweep meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the delay queue is out of reach: {0}")]
pub struct QueueError(pub String);

/// Deadlines by order. Every operation is idempotent.
#[async_trait]
pub trait DelayQueue: Send + Sync + 'static {
    /// Puts orders in, or moves their deadlines.
    async fn schedule(&self, entries: &[DueOrder]) -> Result<(), QueueError>;

    /// Takes up to `limit` orders that are due at `now`, soonest first, and hides them for `lease`:
    /// whoever took them and dies loses none.
    async fn claim_due(
        &self,
        now: UnixMillis,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<OrderId>, QueueError>;

    /// Takes orders out for good.
    async fn remove(&self, orders: &[OrderId]) -> Result<(), QueueError>;
}
