//! The stores of the four services, in memory, with the plan's faults around every unit of work and
//! around what order's and payment's sagas and workers read.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use order::domain::{HistoryRow, Intent, Order, OrderDetail, Stage, Task, TaskKind};
use order::store::{DueOrder, Health, OrderFilter};
use payment::store::Measures;
use platform::combiner::Batch;
use platform::db::DbError;
use platform::ids::IdSource;
use types::{BookId, IdempotencyKey, OrderId, OrderNo, Page, UnixMillis, UserId};

use crate::plan::{Plan, Treatment};
use crate::step::{BookStep, OrderRead, OrderStep, PaymentRead, PaymentStep, Step, StockStep};

/// A store under faults.
pub(crate) struct Faulty<S: ?Sized> {
    pub(crate) plan: Arc<Plan>,
    pub(crate) store: Arc<S>,
}

impl<S: ?Sized> Faulty<S> {
    /// One transaction, which the fault of any of its operations befalls as a whole.
    async fn write<Op, Out, F>(
        &self,
        batch: Batch<Op>,
        step_of: impl Fn(&Op) -> Step,
        apply: impl Fn(Batch<Op>) -> F,
    ) -> Result<Vec<Out>, DbError>
    where
        F: Future<Output = Result<Vec<Out>, DbError>>,
    {
        self.plan.travel().await;
        let passed: Vec<_> = batch.iter().map(|op| self.plan.pass(step_of(op))).collect();
        let in_doubt = || Err(DbError::OutcomeUnknown("the connection was cut".to_owned()));
        let done = match passed.into_iter().flatten().next() {
            None => apply(batch).await,
            Some(Treatment::Repeated | Treatment::Doubled) => {
                let first = apply(batch.clone()).await?;
                apply(batch).await?;
                Ok(first)
            }
            Some(Treatment::Refused) => Err(down()),
            Some(Treatment::LostReply) => {
                apply(batch).await?;
                in_doubt()
            }
            Some(_) => in_doubt(),
        };
        self.plan.travel().await;
        done
    }

    async fn read<T>(
        &self,
        step: Step,
        read: impl Future<Output = Result<T, DbError>>,
    ) -> Result<T, DbError> {
        self.plan.travel().await;
        match self.plan.pass(step) {
            None => read.await,
            Some(_) => Err(down()),
        }
    }
}

fn down() -> DbError {
    DbError::Unavailable("the database is away".to_owned())
}

#[async_trait]
impl order::store::Store for Faulty<order::store::MemoryStore> {
    async fn apply(
        &self,
        batch: Batch<order::domain::Op>,
    ) -> Result<Vec<order::domain::Outcome>, DbError> {
        let step = |op: &_| Step::Order(OrderStep::of(op));
        self.write(batch, step, |batch| self.store.apply(batch))
            .await
    }

    async fn find_orders(&self, numbers: &[OrderNo]) -> Result<Vec<OrderDetail>, DbError> {
        let read = self.store.find_orders(numbers);
        self.read(Step::OrderRead(OrderRead::Order), read).await
    }

    async fn find_requests(
        &self,
        requests: &[(UserId, IdempotencyKey)],
    ) -> Result<Vec<Order>, DbError> {
        let read = self.store.find_requests(requests);
        self.read(Step::OrderRead(OrderRead::Request), read).await
    }

    async fn list_orders(
        &self,
        filter: OrderFilter,
        page: Page,
    ) -> Result<(Vec<OrderDetail>, u64), DbError> {
        self.store.list_orders(filter, page).await
    }

    async fn due_orders(
        &self,
        stage: Stage,
        until: UnixMillis,
        after: Option<DueOrder>,
        limit: u32,
    ) -> Result<Vec<DueOrder>, DbError> {
        let read = self.store.due_orders(stage, until, after, limit);
        self.read(Step::OrderRead(OrderRead::DueOrders), read).await
    }

    async fn due_intents(&self, until: UnixMillis, limit: u32) -> Result<Vec<Intent>, DbError> {
        let read = self.store.due_intents(until, limit);
        self.read(Step::OrderRead(OrderRead::DueIntents), read)
            .await
    }

    async fn written_under(&self, intent: Intent) -> Result<BTreeSet<OrderId>, DbError> {
        let read = self.store.written_under(intent);
        self.read(Step::OrderRead(OrderRead::Written), read).await
    }

    async fn due_tasks(
        &self,
        kinds: &'static [TaskKind],
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Task>, DbError> {
        let read = self.store.due_tasks(kinds, now, limit);
        self.read(Step::OrderRead(OrderRead::DueTasks), read).await
    }

    async fn parked_tasks(&self, limit: u32) -> Result<Vec<Task>, DbError> {
        self.store.parked_tasks(limit).await
    }

    async fn history(&self, id: OrderId) -> Result<Vec<HistoryRow>, DbError> {
        self.store.history(id).await
    }

    async fn feed_cursor(&self) -> Result<u64, DbError> {
        let read = self.store.feed_cursor();
        self.read(Step::OrderRead(OrderRead::Cursor), read).await
    }

    async fn health(&self, now: UnixMillis) -> Result<Health, DbError> {
        self.store.health(now).await
    }

    async fn reserve_ids(&self, count: u64) -> Result<Range<u64>, DbError> {
        let read = self.store.reserve_ids(count);
        self.read(Step::OrderRead(OrderRead::Ids), read).await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

#[async_trait]
impl IdSource for Faulty<payment::store::MemoryStore> {
    async fn reserve(&self, count: u64) -> Result<Range<u64>, DbError> {
        let read = self.store.reserve(count);
        self.read(Step::PaymentRead(PaymentRead::Serials), read)
            .await
    }
}

#[async_trait]
impl payment::store::Store for Faulty<payment::store::MemoryStore> {
    async fn apply(
        &self,
        batch: Batch<payment::domain::Op>,
    ) -> Result<Vec<payment::domain::Outcome>, DbError> {
        let step = |op: &_| Step::Payment(PaymentStep::of(op));
        self.write(batch, step, |batch| self.store.apply(batch))
            .await
    }

    async fn find_records(
        &self,
        orders: &[OrderId],
    ) -> Result<Vec<payment::domain::Record>, DbError> {
        let read = self.store.find_records(orders);
        self.read(Step::PaymentRead(PaymentRead::Record), read)
            .await
    }

    async fn list_due(
        &self,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<payment::domain::Record>, DbError> {
        let read = self.store.list_due(now, limit);
        self.read(Step::PaymentRead(PaymentRead::Due), read).await
    }

    async fn list_events(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<payment::domain::Event>, DbError> {
        let read = self.store.list_events(after, limit);
        self.read(Step::PaymentRead(PaymentRead::Events), read)
            .await
    }

    async fn measure(&self) -> Result<Measures, DbError> {
        self.store.measure().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

#[async_trait]
impl inventory::store::Store for Faulty<inventory::store::memory::MemoryStore> {
    async fn apply(
        &self,
        batch: Batch<inventory::domain::Op>,
    ) -> Result<Vec<inventory::domain::Decision>, DbError> {
        let step = |op: &_| Step::Stock(StockStep::of(op));
        self.write(batch, step, |batch| self.store.apply(batch))
            .await
    }

    async fn read_stocks(
        &self,
        books: &[BookId],
    ) -> Result<Vec<inventory::domain::Stock>, DbError> {
        self.store.read_stocks(books).await
    }

    async fn read_sums(
        &self,
        known: inventory::store::LedgerSums,
        settled_to: i64,
    ) -> Result<inventory::store::Sums, DbError> {
        self.store.read_sums(known, settled_to).await
    }

    async fn read_audit(&self) -> Result<inventory::audit::Audit, DbError> {
        self.store.read_audit().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

#[async_trait]
impl catalog::store::Store for Faulty<catalog::store::MemoryStore> {
    async fn apply_batch(
        &self,
        batch: Batch<catalog::domain::Op>,
    ) -> Result<Vec<catalog::domain::Outcome>, DbError> {
        let step = |op: &_| Step::Book(BookStep::of(op));
        self.write(batch, step, |batch| self.store.apply_batch(batch))
            .await
    }

    async fn load_books(&self, ids: &[BookId]) -> Result<Vec<Arc<catalog::domain::Book>>, DbError> {
        self.store.load_books(ids).await
    }

    async fn list_published(&self, page: Page) -> Result<catalog::store::PublishedPage, DbError> {
        self.store.list_published(page).await
    }

    async fn list_changes(
        &self,
        after: catalog::domain::Revision,
        limit: u32,
    ) -> Result<Vec<catalog::domain::Listing>, DbError> {
        self.store.list_changes(after, limit).await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
