//! Orders in a SQL database. Each table has a file of its own with its statements.
//!
//! A batch is one transaction: load what its operations touch, let the rules decide, save what
//! changed. What is read is locked in one order everywhere: intents, then orders, each by ascending
//! id, then tasks, leases and the cursor; so no two batches deadlock over it. What is remembered
//! (`remembered.rs`), intents and creations, is locked when it is written, after those, and so are
//! the keys of new orders. Only recovery, the feed, and twins on other replicas may touch these too:
//! where that ends in a deadlock, the server aborts one of the two, which is retried.

mod feed_cursors;
mod history;
mod ids;
mod intents;
mod items;
mod leases;
mod orders;
mod remembered;
mod tasks;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::{Database, DbError, Migration, Tx};
use types::{IdempotencyKey, OrderId, OrderNo, Page, UnixMillis, UserId};

use remembered::{Memory, MemoryRecall};

use super::{DueOrder, Health, OrderFilter, Store};
use crate::domain::{
    HistoryRow, Intent, Op, Order, OrderDetail, Outcome, Rows, Stage, Task, TaskKind, Touched,
};

pub(crate) use history::read_history_between;
pub(crate) use intents::list_due as read_due_intents;
pub(crate) use items::read_items_between;
pub(crate) use orders::read_orders_after;
pub(crate) use tasks::{list_due as read_due_tasks, list_parked as read_parked_tasks};

/// The schema, step by step.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "orders, their items, history and tasks",
        sqlite: include_str!("../../../migrations/sqlite/0001_init.sql"),
        mysql: include_str!("../../../migrations/mysql/0001_init.sql"),
    },
    Migration {
        number: 2,
        name: "lists by the time of creation",
        sqlite: include_str!("../../../migrations/sqlite/0002_newest_first.sql"),
        mysql: include_str!("../../../migrations/mysql/0002_newest_first.sql"),
    },
    Migration {
        number: 3,
        name: "intents to make orders",
        sqlite: include_str!("../../../migrations/sqlite/0003_intents.sql"),
        mysql: include_str!("../../../migrations/mysql/0003_intents.sql"),
    },
];

/// Orders in a SQL database.
pub struct SqlStore {
    db: Database,
    memory: Arc<Memory>,
}

impl SqlStore {
    /// The orders in `db`, whose schema is up to date.
    pub fn new(db: Database) -> Self {
        Self {
            db,
            memory: Arc::default(),
        }
    }
}

async fn apply_batch(
    tx: &mut Tx,
    batch: &[Op],
    recall: &MemoryRecall,
) -> Result<Vec<Outcome>, DbError> {
    let mut rows = load(tx, batch, recall).await?;
    let outcomes: Vec<_> = batch.iter().map(|op| rows.apply(op)).collect();
    save(tx, &rows).await?;
    recall.note(batch, &outcomes, &rows);
    Ok(outcomes)
}

/// Loads and locks every row that the batch touches, but for those that are remembered.
async fn load(tx: &mut Tx, batch: &[Op], recall: &MemoryRecall) -> Result<Rows, DbError> {
    let mut touched = Touched::default();
    for op in batch {
        op.touch(&mut touched);
    }
    let mut rows = Rows::default();
    recall.load(batch, &mut touched, &mut rows);
    orders::find_ids_of_requests(tx, &mut touched).await?;
    let [intents, orders, tasks, leases, cursor] = tx
        .look_up([
            intents::locking(&touched),
            orders::locking(&touched),
            tasks::locking(&touched),
            leases::locking(&touched),
            feed_cursors::locking(&touched),
        ])
        .await?;
    intents::load(&intents, &mut rows)?;
    orders::load(&orders, &mut rows)?;
    tasks::load(&tasks, &mut rows)?;
    leases::load(&leases, &touched, &mut rows)?;
    feed_cursors::load(&cursor, &touched, &mut rows)?;
    Ok(rows)
}

/// Writes what changed.
async fn save(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    intents::save(tx, rows).await?;
    orders::save(tx, rows).await?;
    items::save(tx, rows).await?;
    history::save(tx, rows).await?;
    tasks::save(tx, rows).await?;
    leases::save(tx, rows).await?;
    feed_cursors::save(tx, rows).await
}

#[async_trait]
impl Store for SqlStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let recall = Arc::new(self.memory.recall());
        let outcomes = self
            .db
            .write_keyed("apply_orders", batch.turn(), {
                let (batch, recall) = (batch.clone(), Arc::clone(&recall));
                move |tx| {
                    let (batch, recall) = (batch.clone(), Arc::clone(&recall));
                    Box::pin(async move { apply_batch(tx, &batch, &recall).await })
                }
            })
            .await?;
        recall.end();
        Ok(outcomes)
    }

    async fn find_orders(&self, numbers: &[OrderNo]) -> Result<Vec<OrderDetail>, DbError> {
        let numbers = numbers.to_vec();
        self.db
            .read_once("find_orders", move |tx| {
                let numbers = numbers.clone();
                Box::pin(async move { orders::find_by_numbers(tx, &numbers).await })
            })
            .await
    }

    async fn find_requests(
        &self,
        requests: &[(UserId, IdempotencyKey)],
    ) -> Result<Vec<Order>, DbError> {
        let requests = requests.to_vec();
        let found = self
            .db
            .read_once("find_requests", move |tx| {
                let requests = requests.clone();
                Box::pin(async move { orders::find_by_requests(tx, &requests).await })
            })
            .await?;
        // The repeat of a request is told of the order, which must not be taken back any more.
        if found.iter().any(|order| order.stage != Stage::Creating) {
            self.db.sync().await?;
        }
        Ok(found)
    }

    async fn list_orders(
        &self,
        filter: OrderFilter,
        page: Page,
    ) -> Result<(Vec<OrderDetail>, u64), DbError> {
        self.db
            .read("list_orders", move |tx| {
                Box::pin(async move {
                    let total = orders::count_listed(tx, filter).await?;
                    let listed = orders::list(tx, filter, page).await?;
                    Ok((items::attach(tx, listed).await?, total))
                })
            })
            .await
    }

    async fn due_orders(
        &self,
        stage: Stage,
        until: UnixMillis,
        after: Option<DueOrder>,
        limit: u32,
    ) -> Result<Vec<DueOrder>, DbError> {
        self.db
            .read_once("due_orders", move |tx| {
                Box::pin(orders::list_due(tx, stage, until, after, limit))
            })
            .await
    }

    async fn due_intents(&self, until: UnixMillis, limit: u32) -> Result<Vec<Intent>, DbError> {
        self.db
            .read_once("due_intents", move |tx| {
                Box::pin(intents::list_due(tx, until, limit))
            })
            .await
    }

    async fn written_under(&self, intent: Intent) -> Result<BTreeSet<OrderId>, DbError> {
        self.db
            .read_once("orders_of_intent", move |tx| {
                Box::pin(orders::ids_between(tx, intent.first, intent.last))
            })
            .await
    }

    async fn due_tasks(
        &self,
        kinds: &'static [TaskKind],
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Task>, DbError> {
        self.db
            .read_once("due_tasks", move |tx| {
                Box::pin(tasks::list_due(tx, kinds, now, limit))
            })
            .await
    }

    async fn parked_tasks(&self, limit: u32) -> Result<Vec<Task>, DbError> {
        self.db
            .read_once("parked_tasks", move |tx| {
                Box::pin(tasks::list_parked(tx, limit))
            })
            .await
    }

    async fn history(&self, id: OrderId) -> Result<Vec<HistoryRow>, DbError> {
        self.db
            .read_once("order_history", move |tx| Box::pin(history::list(tx, id)))
            .await
    }

    async fn feed_cursor(&self) -> Result<u64, DbError> {
        self.db
            .read_once("feed_cursor", |tx| Box::pin(feed_cursors::read(tx)))
            .await
    }

    async fn health(&self, now: UnixMillis) -> Result<Health, DbError> {
        self.db
            .read("order_health", move |tx| {
                Box::pin(async move {
                    let (tasks_outstanding, tasks_parked) = tasks::count(tx).await?;
                    let (creations_overdue, orders_overdue) =
                        orders::count_overdue(tx, now).await?;
                    let intents_overdue = intents::count_overdue(tx, now).await?;
                    Ok(Health {
                        tasks_outstanding,
                        tasks_parked,
                        orders_overdue,
                        creations_overdue: creations_overdue.saturating_add(intents_overdue),
                    })
                })
            })
            .await
    }

    async fn reserve_ids(&self, count: u64) -> Result<Range<u64>, DbError> {
        self.db
            .write("reserve_order_ids", move |tx| {
                Box::pin(ids::reserve(tx, count))
            })
            .await
    }

    async fn close(&self) {
        self.db.close().await;
    }
}
