use std::collections::BTreeSet;
use std::ops::Range;

use async_trait::async_trait;
use order::domain::{HistoryRow, Intent, Op, Order, OrderDetail, Outcome, Stage, Task, TaskKind};
use order::store::{DueOrder, Health, MemoryStore, OrderFilter, Store};
use platform::combiner::Batch;
use platform::db::DbError;
use types::{IdempotencyKey, OrderId, OrderNo, Page, UnixMillis, UserId};

use super::Disk;
use crate::laws;

/// The orders' database, as one process reaches it.
pub(crate) struct OrderDisk(pub(crate) Disk);

impl OrderDisk {
    fn store(&self) -> &MemoryStore {
        &self.0.world.stores.order
    }
}

#[async_trait]
impl Store for OrderDisk {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let what = name_ops(&batch);
        let commit = async {
            let outcomes = self.store().apply(batch.clone()).await?;
            laws::after_orders_moved(&self.0.world, &batch, &outcomes);
            Ok(outcomes)
        };
        self.0.write(&what, commit).await
    }

    async fn find_orders(&self, numbers: &[OrderNo]) -> Result<Vec<OrderDetail>, DbError> {
        self.0.read(self.store().find_orders(numbers)).await
    }

    async fn find_requests(
        &self,
        requests: &[(UserId, IdempotencyKey)],
    ) -> Result<Vec<Order>, DbError> {
        self.0.read(self.store().find_requests(requests)).await
    }

    async fn list_orders(
        &self,
        filter: OrderFilter,
        page: Page,
    ) -> Result<(Vec<OrderDetail>, u64), DbError> {
        self.0.read(self.store().list_orders(filter, page)).await
    }

    async fn due_orders(
        &self,
        stage: Stage,
        until: UnixMillis,
        after: Option<DueOrder>,
        limit: u32,
    ) -> Result<Vec<DueOrder>, DbError> {
        let read = self.store().due_orders(stage, until, after, limit);
        self.0.read(read).await
    }

    async fn due_intents(&self, until: UnixMillis, limit: u32) -> Result<Vec<Intent>, DbError> {
        self.0.read(self.store().due_intents(until, limit)).await
    }

    async fn written_under(&self, intent: Intent) -> Result<BTreeSet<OrderId>, DbError> {
        self.0.read(self.store().written_under(intent)).await
    }

    async fn due_tasks(
        &self,
        kinds: &'static [TaskKind],
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Task>, DbError> {
        self.0.read(self.store().due_tasks(kinds, now, limit)).await
    }

    async fn parked_tasks(&self, limit: u32) -> Result<Vec<Task>, DbError> {
        self.0.read(self.store().parked_tasks(limit)).await
    }

    async fn history(&self, id: OrderId) -> Result<Vec<HistoryRow>, DbError> {
        self.0.read(self.store().history(id)).await
    }

    async fn feed_cursor(&self) -> Result<u64, DbError> {
        self.0.read(self.store().feed_cursor()).await
    }

    async fn health(&self, now: UnixMillis) -> Result<Health, DbError> {
        self.0.read(self.store().health(now)).await
    }

    async fn reserve_ids(&self, count: u64) -> Result<Range<u64>, DbError> {
        let reserve = self.store().reserve_ids(count);
        self.0.write("order ids", reserve).await
    }

    async fn close(&self) {}
}

/// What a batch is about, for the story.
fn name_ops(batch: &[Op]) -> String {
    let names: Vec<String> = batch.iter().map(name_op).collect();
    names.join(", ")
}

fn name_op(op: &Op) -> String {
    match op {
        Op::Insert(new) => format!("insert {}", new.id),
        Op::Confirm { id, .. } => format!("confirm {id}"),
        Op::Drop { id } => format!("drop {id}"),
        Op::Abandon { id, by, .. } => format!("abandon {id} {by:?}"),
        Op::Cancel { id, why, .. } => format!("cancel {id} {why:?}"),
        Op::Ship { id, .. } => format!("ship {id}"),
        Op::Complete { id, .. } => format!("complete {id}"),
        Op::Pay { id, .. } => format!("pay {id}"),
        Op::Follow { events, .. } => format!("follow {} events", events.len()),
        Op::Task { key, step } => format!("task {:?} {} {step:?}", key.kind, key.order_id),
        Op::Lease { holder, .. } => format!("lease {holder}"),
        Op::Intent { first, step } => format!("intent {first} {step:?}"),
    }
}
