//! Where deadlines wait until they are due.
//!
//! The queue makes cancelling punctual and cheap; it is never the source of truth. That is
//! `orders(status, expire_at)`: a sweep puts back what a queue lost, and the rules check each
//! deadline once more before they cancel anything.

mod embedded;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use platform::StartError;
use platform::config::QueueUrl;
use types::{OrderId, UnixMillis};

use crate::store::DueOrder;

pub use embedded::EmbeddedQueue;
pub use redis::RedisQueue;

/// The queue is out of reach. Deadlines are found by the sweep meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the delay queue is out of reach: {0}")]
pub struct QueueError(pub String);

/// Deadlines by order. Scheduling and removing are idempotent.
#[async_trait]
pub trait DelayQueue: Send + Sync + 'static {
    /// Puts orders in, or moves their deadlines.
    async fn schedule(&self, entries: &[DueOrder]) -> Result<(), QueueError>;

    /// Claims up to `limit` orders that are due at `now`, soonest first, and hides them for
    /// `lease`: if the claimer dies, they come back.
    async fn claim_due(
        &self,
        now: UnixMillis,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<OrderId>, QueueError>;

    /// Takes orders out for good.
    async fn remove(&self, orders: &[OrderId]) -> Result<(), QueueError>;
}

/// The queue at `url`.
///
/// # Errors
/// A Redis server that is out of reach or refuses the login.
pub(crate) async fn open(url: &QueueUrl) -> Result<Arc<dyn DelayQueue>, StartError> {
    let url = match url {
        QueueUrl::Embedded => return Ok(Arc::new(EmbeddedQueue::new())),
        QueueUrl::Redis(url) => url,
    };
    let connected = RedisQueue::connect(url).await;
    let queue = connected.map_err(|error| StartError::Config {
        key: "order.delay_queue".to_owned(),
        reason: format!("{url}: {error}"),
    })?;
    Ok(Arc::new(queue))
}
