use std::time::Duration;

use async_trait::async_trait;
use order::delay_queue::{DelayQueue, QueueError};
use order::store::DueOrder;
use types::{OrderId, UnixMillis};

/// A queue that forgets everything it is told.
pub(crate) struct ForgetfulQueue;

#[async_trait]
impl DelayQueue for ForgetfulQueue {
    async fn schedule(&self, _: &[DueOrder]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn claim_due(
        &self,
        _: UnixMillis,
        _: usize,
        _: Duration,
    ) -> Result<Vec<OrderId>, QueueError> {
        Ok(Vec::new())
    }

    async fn remove(&self, _: &[OrderId]) -> Result<(), QueueError> {
        Ok(())
    }
}

/// A queue that is not there.
pub(crate) struct DeadQueue;

#[async_trait]
impl DelayQueue for DeadQueue {
    async fn schedule(&self, _: &[DueOrder]) -> Result<(), QueueError> {
        Err(QueueError("scripted".to_owned()))
    }

    async fn claim_due(
        &self,
        _: UnixMillis,
        _: usize,
        _: Duration,
    ) -> Result<Vec<OrderId>, QueueError> {
        Err(QueueError("scripted".to_owned()))
    }

    async fn remove(&self, _: &[OrderId]) -> Result<(), QueueError> {
        Err(QueueError("scripted".to_owned()))
    }
}
