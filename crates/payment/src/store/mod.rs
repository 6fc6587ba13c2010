//! Where payments are kept: a repository of whole units of work.
//!
//! Payments and the feed are written by [`Store::apply`] alone, and only the combiner calls it. The rules
//! are in `domain`, the same for every store.

mod memory;
mod records_by_order;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::{Batch, BatchWriter};
use platform::db::DbError;
use platform::ids::IdSource;
use types::{OrderId, UnixMillis};

use crate::domain::{Event, Op, Outcome, Record};

pub use memory::{MemoryStore, Snapshot};
pub(crate) use records_by_order::RecordsByOrder;
pub use sql::SqlStore;

/// Keeps payments, their attempts and the feed.
///
/// As an [`IdSource`] it hands out the serials of attempts, each once, to all replicas together.
#[async_trait]
pub trait Store: IdSource {
    /// Applies a batch in its order and in one transaction: all of it, or, on an error, nothing;
    /// [`DbError::OutcomeUnknown`] leaves open which. Returns one outcome per operation.
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError>;

    /// The records of these orders, which are distinct; those that nobody ever tried to pay are left out.
    async fn find_records(&self, orders: &[OrderId]) -> Result<Vec<Record>, DbError>;

    /// Open attempts whose next check is due by `now`, the most overdue first, at most `limit`.
    async fn list_due(&self, now: UnixMillis, limit: u32) -> Result<Vec<Record>, DbError>;

    /// The feed after the event `after`, in order, at most `limit` events; none only where there are none. What
    /// another replica added beside events known here may come with the next answer.
    async fn list_events(&self, after: u64, limit: u32) -> Result<Vec<Event>, DbError>;

    /// The figures for the metrics page.
    async fn measure(&self) -> Result<Measures, DbError>;

    /// Closes files and connections, once everything that runs has ended.
    async fn close(&self);
}

/// The figures that operators watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measures {
    /// Attempts that wait for the gateway's word.
    pub attempts_open: u64,
    /// The last event of the feed; 0 where there is none.
    pub last_event_id: u64,
}

/// Lets the combiner write to a store.
pub(crate) struct StoreWriter(pub(crate) Arc<dyn Store>);

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
