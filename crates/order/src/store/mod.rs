//! Where orders are kept: a trait of whole units of work, and its implementations.
//!
//! [`MemoryStore`] is the model; [`SqlStore`] is the same rules over a database. Both run
//! [`Rows::apply`](crate::domain::Rows::apply), so they can differ only in loading and saving, and
//! one suite of tests runs on both.

mod memory;
mod orders_by_number;
mod orders_by_request;
mod sql;
mod writer;

use std::collections::BTreeSet;
use std::ops::Range;

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::DbError;
use types::{IdempotencyKey, OrderId, OrderNo, OrderStatus, Page, UnixMillis, UserId};

use crate::domain::{HistoryRow, Intent, Op, Order, OrderDetail, Outcome, Stage, Task, TaskKind};

pub use memory::{MemoryStore, Snapshot};
pub(crate) use orders_by_number::OrdersByNumber;
pub(crate) use orders_by_request::OrdersByRequest;
pub use sql::{MIGRATIONS, SqlStore};
pub(crate) use sql::{
    read_due_intents, read_due_tasks, read_history_between, read_items_between, read_orders_after,
    read_parked_tasks,
};
pub(crate) use writer::OrderIds;
pub use writer::Writer;

/// Which orders to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderFilter {
    /// Of this user; `None`: of all.
    pub user_id: Option<UserId>,
    /// In this state; `None`: in any.
    pub status: Option<OrderStatus>,
}

/// An order that has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueOrder {
    /// When it is due.
    pub due_at: UnixMillis,
    /// Which order.
    pub id: OrderId,
}

/// Figures for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Tasks not done yet, parked ones left out.
    pub tasks_outstanding: u64,
    /// Tasks that wait for an operator.
    pub tasks_parked: u64,
    /// Orders still PENDING though their deadline passed.
    pub orders_overdue: u64,
    /// CREATING orders and intents whose creator's lease ran out, including intents that recovery
    /// could not settle yet.
    pub creations_overdue: u64,
}

/// The order service's storage. Every method is one unit of work.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies a batch in one transaction; returns one outcome per operation, in their order.
    ///
    /// # Errors
    /// As [`DbError`] says: nothing of the batch was applied, or the outcome is unknown.
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError>;

    /// The orders with these numbers, at whatever stage, with their items; those that do not exist
    /// are left out.
    async fn find_orders(&self, numbers: &[OrderNo]) -> Result<Vec<OrderDetail>, DbError>;

    /// The orders that these users' keys made, at whatever stage; keys that made none are left out.
    async fn find_requests(
        &self,
        requests: &[(UserId, IdempotencyKey)],
    ) -> Result<Vec<Order>, DbError>;

    /// A page of the orders that callers may see, newest first, and how many there are in all.
    async fn list_orders(
        &self,
        filter: OrderFilter,
        page: Page,
    ) -> Result<(Vec<OrderDetail>, u64), DbError>;

    /// Orders at `stage` that are due at or before `until`, soonest first, those after `after`
    /// only, `limit` at most.
    async fn due_orders(
        &self,
        stage: Stage,
        until: UnixMillis,
        after: Option<DueOrder>,
        limit: u32,
    ) -> Result<Vec<DueOrder>, DbError>;

    /// Intents whose lease ended at or before `until`, by ascending id, `limit` at most.
    async fn due_intents(&self, until: UnixMillis, limit: u32) -> Result<Vec<Intent>, DbError>;

    /// The ids of `intent` that have a row. Once recovery has taken the intent over, no other id
    /// becomes an order.
    async fn written_under(&self, intent: Intent) -> Result<BTreeSet<OrderId>, DbError>;

    /// Tasks of these kinds that are due at or before `now` and not parked, soonest first, `limit` at most.
    async fn due_tasks(
        &self,
        kinds: &'static [TaskKind],
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Task>, DbError>;

    /// Parked tasks, by ascending order id, `limit` at most.
    async fn parked_tasks(&self, limit: u32) -> Result<Vec<Task>, DbError>;

    /// The transitions of one order, in the order they happened.
    async fn history(&self, id: OrderId) -> Result<Vec<HistoryRow>, DbError>;

    /// The id of the last event of the payment feed that was applied; 0 before the first.
    async fn feed_cursor(&self) -> Result<u64, DbError>;

    /// Figures for operators.
    async fn health(&self, now: UnixMillis) -> Result<Health, DbError>;

    /// Reserves `count` order ids, never handed out before.
    async fn reserve_ids(&self, count: u64) -> Result<Range<u64>, DbError>;

    /// Waits for what runs and closes the database.
    async fn close(&self);
}
