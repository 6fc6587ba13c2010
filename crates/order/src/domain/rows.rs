use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::{IdempotencyKey, OrderId, OrderStatus, UnixMillis, UserId};

use super::op::UserKey;
use super::{Change, Intent, Item, Order, Stage, Table, Task, TaskKey};

/// The rows that a batch of operations works on.
///
/// The SQL stores load what the batch touches, apply it, and write what changed. The memory store
/// keeps everything in one of these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    pub(super) orders: Table<OrderId, Order>,
    pub(super) items: Table<OrderId, Arc<[Item]>>,
    pub(super) tasks: Table<TaskKey, Task>,
    pub(super) leases: Table<&'static str, Lease>,
    pub(super) intents: Table<OrderId, Intent>,
    pub(super) history: Vec<HistoryRow>,
    pub(super) cursor: u64,
    /// The cursor as the store has it.
    stored_cursor: u64,
    /// Which order a key made: an index of `orders`.
    pub(super) requests: BTreeMap<UserKey, OrderId>,
}

/// One transition of one order; written once, never changed. Becoming PENDING has no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRow {
    /// The order.
    pub order_id: OrderId,
    /// Where it came from.
    pub from: OrderStatus,
    /// Where it went.
    pub to: OrderStatus,
    /// When.
    pub at: UnixMillis,
}

/// Who holds an exclusive right, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The replica.
    pub holder: Arc<str>,
    /// The end, unless it is renewed.
    pub until: UnixMillis,
}

/// The keys of the rows that a batch touches, each set in the order in which rows are locked.
#[derive(Debug, Default)]
pub struct Touched {
    /// Orders by id.
    pub orders: BTreeSet<OrderId>,
    /// Orders by their user's key.
    pub requests: BTreeSet<(UserId, IdempotencyKey)>,
    /// Orders whose tasks are touched.
    pub tasks_of: BTreeSet<OrderId>,
    /// Intents by their first id.
    pub intents: BTreeSet<OrderId>,
    /// Leases by name.
    pub leases: BTreeSet<&'static str>,
    /// Whether the feed's cursor is touched.
    pub cursor: bool,
}

impl Touched {
    pub(super) fn order_with_tasks(&mut self, id: OrderId) {
        self.orders.insert(id);
        self.tasks_of.insert(id);
    }
}

impl Rows {
    /// Takes in an order that the store has.
    pub fn load_order(&mut self, order: Order) {
        if let Some(request) = &order.request {
            self.requests
                .insert((order.user_id, request.key.clone()), order.id);
        }
        self.orders.load(order.id, order);
    }

    /// Takes in a task that the store has.
    pub fn load_task(&mut self, task: Task) {
        self.tasks.load(task.key, task);
    }

    /// Takes in a lease that the store has.
    pub fn load_lease(&mut self, name: &'static str, lease: Lease) {
        self.leases.load(name, lease);
    }

    /// Takes in an intent that the store has.
    pub fn load_intent(&mut self, intent: Intent) {
        self.intents.load(intent.first, intent);
    }

    /// Takes in the cursor that the store has.
    pub fn load_cursor(&mut self, cursor: u64) {
        self.cursor = cursor;
        self.stored_cursor = cursor;
    }

    /// Every order there is, by ascending id.
    pub fn orders(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.orders.iter().map(|(_, order)| order)
    }

    /// The order `id`.
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// The order that the user's key made.
    pub fn order_of_request(&self, user_id: UserId, key: &IdempotencyKey) -> Option<&Order> {
        self.requests
            .get(&(user_id, key.clone()))
            .and_then(|id| self.orders.get(id))
    }

    /// The items of the order `id`; none where they were not loaded.
    pub fn items(&self, id: OrderId) -> &[Item] {
        self.items.get(&id).map_or(&[], |items| items)
    }

    /// Every task there is, by ascending key.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().map(|(_, task)| task)
    }

    /// Every intent there is, by ascending id.
    pub fn intents(&self) -> impl Iterator<Item = &Intent> {
        self.intents.iter().map(|(_, intent)| intent)
    }

    /// These rows, with the intents of `others`.
    #[must_use]
    pub fn with_intents_of(mut self, others: &Self) -> Self {
        self.intents.clone_from(&others.intents);
        self
    }

    /// The id of the last event of the payment feed that was applied.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The orders to write.
    pub fn order_changes(&self) -> impl Iterator<Item = Change<'_, OrderId, Order>> {
        self.orders.changes()
    }

    /// The items to write; they come and go with their order and never change.
    pub fn item_changes(&self) -> impl Iterator<Item = Change<'_, OrderId, Arc<[Item]>>> {
        self.items.changes()
    }

    /// The tasks to write.
    pub fn task_changes(&self) -> impl Iterator<Item = Change<'_, TaskKey, Task>> {
        self.tasks.changes()
    }

    /// The leases to write.
    pub fn lease_changes(&self) -> impl Iterator<Item = Change<'_, &'static str, Lease>> {
        self.leases.changes()
    }

    /// The intents to write.
    pub fn intent_changes(&self) -> impl Iterator<Item = Change<'_, OrderId, Intent>> {
        self.intents.changes()
    }

    /// The cursor to write; `None` where it has not moved.
    pub fn moved_cursor(&self) -> Option<u64> {
        (self.cursor != self.stored_cursor).then_some(self.cursor)
    }

    /// The transitions recorded since these rows were created; in the memory store, all there are.
    pub fn history(&self) -> &[HistoryRow] {
        &self.history
    }

    /// Forgets which rows changed: the store has written them.
    pub fn settle(&mut self) {
        self.orders.settle();
        self.items.settle();
        self.tasks.settle();
        self.leases.settle();
        self.intents.settle();
        self.stored_cursor = self.cursor;
    }

    /// Records `task` unless the order has one of its kind.
    pub(super) fn record_task(&mut self, task: Task, recorded: &mut Vec<Task>) {
        if self.tasks.get(&task.key).is_none() {
            self.tasks.put(task.key, task.clone());
            recorded.push(task);
        }
    }

    /// Moves a live order to `to` and records the transition, which the caller has checked.
    pub(super) fn advance(
        &mut self,
        id: OrderId,
        to: OrderStatus,
        at: UnixMillis,
    ) -> Option<&mut Order> {
        let order = self.orders.edit(&id)?;
        if let Some(from) = order.stage.shown() {
            self.history.push(HistoryRow {
                order_id: id,
                from,
                to,
                at,
            });
        }
        order.stage = Stage::Live(to);
        order.updated_at = at;
        Some(order)
    }
}
