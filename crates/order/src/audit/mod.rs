//! What `bookstore check` reads of orders, and the rules that hold within `order_db` alone.
//!
//! Orders are read page by page with their items and history, so that a million of them need no
//! more memory than a page; [`find_faults`] judges one order by itself. What has to agree between
//! services (holds, payments) is the checker's to compare.

mod faults;

use std::collections::BTreeMap;
use std::time::Duration;

use platform::args;
use platform::db::{Database, DbError};
use types::{OrderId, OrderStatus, UnixMillis};

use crate::domain::{HistoryRow, Intent, Item, Order, Stage, Task, TaskKind};
use crate::store::{
    SqlStore, Store, read_due_intents, read_due_tasks, read_history_between, read_items_between,
    read_orders_after, read_parked_tasks,
};

pub use faults::{Fault, find_faults, forgotten_for};

/// The most tasks that are read: as many as can come due together and still fit in memory. One left
/// out would look as if nothing were going to settle its order.
const TASKS_MAX: u32 = 1_000_000;

/// The most intents that are read; a replica has a few.
const INTENTS_MAX: u32 = 1_000_000;

/// How soon after a dead replica's lease ran out another replica, if there is one, has taken it:
/// replicas ask every 2 s. To report "none runs" any earlier would be wrong after every crash and
/// restart.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(6);

/// The last second that databases can store, in the year 9999.
const END_OF_TIME: UnixMillis = UnixMillis::new(253_402_300_799_000);

/// One order with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// The order, hidden stages included.
    pub order: Order,
    /// Its items.
    pub items: Vec<Item>,
    /// Its transitions since it became PENDING, in the order they happened.
    pub history: Vec<HistoryRow>,
}

impl OrderRecord {
    /// Whether inventory must hold its items: PENDING and PAID, and no other stage once the system is quiet.
    pub const fn holds_stock(&self) -> bool {
        matches!(
            self.order.stage,
            Stage::Live(OrderStatus::Pending | OrderStatus::Paid)
        )
    }

    /// Whether it must have a payment of its total that was not refunded.
    pub const fn is_paid(&self) -> bool {
        matches!(
            self.order.stage,
            Stage::Live(OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Completed)
        )
    }
}

/// Reads up to `limit` orders by ascending id, those after `after`; fewer mean the end.
///
/// One page is one snapshot.
pub async fn read_orders(
    database: &Database,
    after: Option<OrderId>,
    limit: u32,
) -> Result<Vec<OrderRecord>, DbError> {
    let after = after.map_or(0, OrderId::as_i64);
    database
        .read_long("audit_orders", move |tx| {
            Box::pin(async move {
                let orders = read_orders_after(tx, after, limit).await?;
                let Some(last) = orders.last().map(|order| order.id) else {
                    return Ok(Vec::new());
                };
                let items = read_items_between(tx, after, last).await?;
                let history = read_history_between(tx, after, last).await?;
                Ok(assemble(orders, items, history))
            })
        })
        .await
}

fn assemble(
    orders: Vec<Order>,
    mut items: BTreeMap<OrderId, Vec<Item>>,
    history: Vec<HistoryRow>,
) -> Vec<OrderRecord> {
    let mut moves: BTreeMap<OrderId, Vec<HistoryRow>> = BTreeMap::new();
    for row in history {
        moves.entry(row.order_id).or_default().push(row);
    }
    let record = |order: Order| OrderRecord {
        items: items.remove(&order.id).unwrap_or_default(),
        history: moves.remove(&order.id).unwrap_or_default(),
        order,
    };
    orders.into_iter().map(record).collect()
}

/// Every task there is: those to be done, soonest first, then those that are parked; a million of
/// each at most.
pub async fn read_tasks(database: &Database) -> Result<Vec<Task>, DbError> {
    database
        .read_long("audit_tasks", |tx| {
            Box::pin(async {
                let mut tasks = read_due_tasks(tx, &TaskKind::ALL, END_OF_TIME, TASKS_MAX).await?;
                tasks.append(&mut read_parked_tasks(tx, TASKS_MAX).await?);
                Ok(tasks)
            })
        })
        .await
}

/// Every intent there is, by ascending id: what is held under its ids is its creator's, or recovery's, to settle.
pub async fn read_intents(database: &Database) -> Result<Vec<Intent>, DbError> {
    let read = database
        .read_long("audit_intents", |tx| {
            Box::pin(read_due_intents(tx, END_OF_TIME, INTENTS_MAX))
        })
        .await;
    match read {
        // The database of a release that had no intents.
        Err(error) if error.says_no_table() => Ok(Vec::new()),
        read => read,
    }
}

/// Whether some replica of the service may be alive at `now`: a lease has not run out, or only
/// just. Then what workers repair will still be repaired. A replica that stops frees its lease.
pub async fn is_running(database: &Database, now: UnixMillis) -> Result<bool, DbError> {
    let select = "SELECT COUNT(*) FROM leases WHERE expires_at > ?";
    let since = now.minus(TAKEN_OVER_WITHIN);
    let leases = database
        .read("audit_leases", move |tx| {
            Box::pin(tx.query(select, args![since]))
        })
        .await?;
    Ok(leases.first().map_or(Ok(0), |row| row.int(0))? > 0)
}

/// How far the payment feed has been followed: the id of the last event applied.
pub async fn read_feed_cursor(database: &Database) -> Result<u64, DbError> {
    SqlStore::new(database.clone()).feed_cursor().await
}
