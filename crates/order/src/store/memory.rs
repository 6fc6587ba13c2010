use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::DbError;
use types::{IdempotencyKey, OrderId, OrderNo, OrderStatus, Page, UnixMillis, UserId};

use super::{DueOrder, Health, OrderFilter, Store};
use crate::domain::{
    HistoryRow, Intent, Op, Order, OrderDetail, Outcome, Rows, Stage, Task, TaskKind,
};

/// Orders in memory: the model that the SQL stores are compared with, and the simulation's store.
///
/// Reads walk over all rows; it is made to be obviously right, not fast.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rows: Rows,
    next_id: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let state = State {
            rows: Rows::default(),
            next_id: 1,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

/// The rows that a [`MemoryStore`] held at one moment. The ids that it handed out are not part of
/// it, nor are the intents that cover them, which services open and close on their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(Rows);

impl MemoryStore {
    /// No orders yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the store holds now.
    pub fn snapshot(&self) -> Snapshot {
        let rows = self.state().rows.clone();
        Snapshot(rows.with_intents_of(&Rows::default()))
    }

    /// Goes back to what the store held at `snapshot`.
    pub fn restore(&self, snapshot: &Snapshot) {
        let mut state = self.state();
        state.rows = snapshot.0.clone().with_intents_of(&state.rows);
    }

    /// Looks at the rows as they stand, between two transactions.
    pub fn inspect<T>(&self, look: impl FnOnce(&Rows) -> T) -> T {
        look(&self.state().rows)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn detail(&self, order: &Order) -> OrderDetail {
        OrderDetail {
            order: order.clone(),
            items: self.rows.items(order.id).to_vec(),
        }
    }

    fn count_overdue(&self, stage: Stage, now: UnixMillis) -> u64 {
        count(
            self.rows
                .orders()
                .filter(|order| order.stage == stage && order.expire_at < now),
        )
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let mut state = self.state();
        let outcomes = batch.iter().map(|op| state.rows.apply(op)).collect();
        state.rows.settle();
        Ok(outcomes)
    }

    async fn find_orders(&self, numbers: &[OrderNo]) -> Result<Vec<OrderDetail>, DbError> {
        let state = self.state();
        let asked = |order: &&Order| numbers.contains(&order.order_no);
        let found = state.rows.orders().filter(asked);
        Ok(found.map(|order| state.detail(order)).collect())
    }

    async fn find_requests(
        &self,
        requests: &[(UserId, IdempotencyKey)],
    ) -> Result<Vec<Order>, DbError> {
        let state = self.state();
        let made = |(user_id, key): &(UserId, IdempotencyKey)| {
            state.rows.order_of_request(*user_id, key).cloned()
        };
        Ok(requests.iter().filter_map(made).collect())
    }

    async fn list_orders(
        &self,
        filter: OrderFilter,
        page: Page,
    ) -> Result<(Vec<OrderDetail>, u64), DbError> {
        let state = self.state();
        let wanted = |order: &&Order| {
            let shown = order.stage.shown();
            shown.is_some()
                && filter.user_id.is_none_or(|user| user == order.user_id)
                && filter.status.is_none_or(|status| shown == Some(status))
        };
        let total = count(state.rows.orders().filter(wanted));
        let skipped = usize::try_from(page.offset()).unwrap_or(usize::MAX);
        let mut newest_first: Vec<_> = state.rows.orders().filter(wanted).collect();
        newest_first.sort_by_key(|order| Reverse((order.created_at, order.id)));
        let listed = newest_first
            .into_iter()
            .skip(skipped)
            .take(as_len(page.size()))
            .map(|order| state.detail(order));
        Ok((listed.collect(), total))
    }

    async fn due_orders(
        &self,
        stage: Stage,
        until: UnixMillis,
        after: Option<DueOrder>,
        limit: u32,
    ) -> Result<Vec<DueOrder>, DbError> {
        let state = self.state();
        let mut due: Vec<_> = state
            .rows
            .orders()
            .filter(|order| order.stage == stage && order.expire_at <= until)
            .map(|order| DueOrder {
                due_at: order.expire_at,
                id: order.id,
            })
            .filter(|due| after.is_none_or(|after| *due > after))
            .collect();
        due.sort_unstable();
        due.truncate(as_len(limit));
        Ok(due)
    }

    async fn due_intents(&self, until: UnixMillis, limit: u32) -> Result<Vec<Intent>, DbError> {
        let state = self.state();
        let is_due = |intent: &&Intent| intent.lease_until <= until;
        let due = state.rows.intents().filter(is_due).copied();
        Ok(due.take(as_len(limit)).collect())
    }

    async fn written_under(&self, intent: Intent) -> Result<BTreeSet<OrderId>, DbError> {
        let state = self.state();
        let ids = state.rows.orders().map(|order| order.id);
        Ok(ids.filter(|id| intent.covers(*id)).collect())
    }

    async fn due_tasks(
        &self,
        kinds: &'static [TaskKind],
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Task>, DbError> {
        let state = self.state();
        let is_due =
            |task: &&Task| kinds.contains(&task.key.kind) && !task.parked && task.due_at <= now;
        let mut due: Vec<_> = state.rows.tasks().filter(is_due).cloned().collect();
        due.sort_by_key(|task| (task.due_at, task.key));
        due.truncate(as_len(limit));
        Ok(due)
    }

    async fn parked_tasks(&self, limit: u32) -> Result<Vec<Task>, DbError> {
        let state = self.state();
        let parked = state.rows.tasks().filter(|task| task.parked).cloned();
        Ok(parked.take(as_len(limit)).collect())
    }

    async fn history(&self, id: OrderId) -> Result<Vec<HistoryRow>, DbError> {
        let state = self.state();
        Ok(state
            .rows
            .history()
            .iter()
            .filter(|row| row.order_id == id)
            .copied()
            .collect())
    }

    async fn feed_cursor(&self) -> Result<u64, DbError> {
        Ok(self.state().rows.cursor())
    }

    async fn health(&self, now: UnixMillis) -> Result<Health, DbError> {
        let state = self.state();
        Ok(Health {
            tasks_outstanding: count(state.rows.tasks().filter(|task| !task.parked)),
            tasks_parked: count(state.rows.tasks().filter(|task| task.parked)),
            orders_overdue: state.count_overdue(Stage::Live(OrderStatus::Pending), now),
            creations_overdue: state.count_overdue(Stage::Creating, now)
                + count(
                    state
                        .rows
                        .intents()
                        .filter(|intent| intent.lease_until < now || intent.recovering),
                ),
        })
    }

    async fn reserve_ids(&self, count: u64) -> Result<Range<u64>, DbError> {
        let mut state = self.state();
        let first = state.next_id;
        state.next_id = first.saturating_add(count);
        Ok(first..state.next_id)
    }

    async fn close(&self) {}
}

fn count<T>(rows: impl Iterator<Item = T>) -> u64 {
    u64::try_from(rows.count()).unwrap_or(u64::MAX)
}

fn as_len(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
