use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::{Batch, BatchWriter, Combiner, CombinerLimits, WriteError};
use platform::db::DbError;
use platform::deadline::Deadline;
use platform::ids::IdSource;
use types::OrderId;

use super::Store;
use crate::domain::{
    Followed, Inserted, IntentStep, Moved, NewOrder, Op, Outcome, Task, TaskKey, TaskStep,
};

/// How a service writes: operations of all callers, combined into few transactions. Only ids are
/// reserved beside it.
#[derive(Clone)]
pub struct Writer {
    combiner: Combiner<Op, Outcome>,
}

impl Writer {
    /// Starts the writer of `store`.
    pub fn start(store: Arc<dyn Store>) -> Self {
        let combiner = Combiner::start("order", StoreWriter(store), CombinerLimits::default());
        Self { combiner }
    }

    /// Writes an order down.
    pub async fn insert(&self, new: NewOrder, deadline: Deadline) -> Result<Inserted, WriteError> {
        match self.submit(Op::Insert(Box::new(new)), deadline).await? {
            Outcome::Insert(inserted) => Ok(inserted),
            other => Err(wrong_kind(&other)),
        }
    }

    /// Moves one order; `None` where there is no such order.
    pub async fn move_order(
        &self,
        op: Op,
        deadline: Deadline,
    ) -> Result<Option<Moved>, WriteError> {
        match self.submit(op, deadline).await? {
            Outcome::Move(moved) => Ok(moved.map(|moved| *moved)),
            other => Err(wrong_kind(&other)),
        }
    }

    /// Takes a step along the payment feed.
    pub async fn follow(&self, op: Op, deadline: Deadline) -> Result<Followed, WriteError> {
        match self.submit(op, deadline).await? {
            Outcome::Follow(followed) => Ok(followed),
            other => Err(wrong_kind(&other)),
        }
    }

    /// Moves a task; `None` where the step does not apply to it, as where it is gone or somebody else's.
    pub async fn move_task(
        &self,
        key: TaskKey,
        step: TaskStep,
        deadline: Deadline,
    ) -> Result<Option<Task>, WriteError> {
        match self.submit(Op::Task { key, step }, deadline).await? {
            Outcome::Task(task) => Ok(task.map(|task| *task)),
            other => Err(wrong_kind(&other)),
        }
    }

    /// Takes, renews or releases a lease; returns whether the asker holds it now.
    pub async fn move_lease(&self, op: Op, deadline: Deadline) -> Result<bool, WriteError> {
        match self.submit(op, deadline).await? {
            Outcome::Lease(held) => Ok(held),
            other => Err(wrong_kind(&other)),
        }
    }

    /// Moves an intent; returns whether it is now in the state that the step asks for.
    pub async fn move_intent(
        &self,
        first: OrderId,
        step: IntentStep,
        deadline: Deadline,
    ) -> Result<bool, WriteError> {
        match self.submit(Op::Intent { first, step }, deadline).await? {
            Outcome::Intent(moved) => Ok(moved),
            other => Err(wrong_kind(&other)),
        }
    }

    /// Refuses new operations and applies those that wait.
    pub async fn close(&self) {
        self.combiner.close().await;
    }

    async fn submit(&self, op: Op, deadline: Deadline) -> Result<Outcome, WriteError> {
        self.combiner.submit(op, deadline).await
    }
}

/// The rules answer each operation with its own kind of outcome; anything else is a bug here, and
/// the operation has been applied.
fn wrong_kind(outcome: &Outcome) -> WriteError {
    DbError::Broken(format!("an outcome of another kind: {outcome:?}")).into()
}

struct StoreWriter(Arc<dyn Store>);

#[async_trait]
impl BatchWriter for StoreWriter {
    type Op = Op;
    type Out = Outcome;

    fn name(op: &Op) -> &'static str {
        op.name()
    }

    async fn write(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        self.0.apply(batch).await
    }
}

/// Order ids, as the allocator takes them.
pub(crate) struct OrderIds(pub(crate) Arc<dyn Store>);

#[async_trait]
impl IdSource for OrderIds {
    async fn reserve(&self, count: u64) -> Result<Range<u64>, DbError> {
        self.0.reserve_ids(count).await
    }
}
