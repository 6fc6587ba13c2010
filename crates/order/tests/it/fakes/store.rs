use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use order::domain::{HistoryRow, Intent, Op, Order, OrderDetail, Outcome, Stage, Task, TaskKind};
use order::store::{DueOrder, Health, OrderFilter, Store};
use platform::combiner::Batch;
use platform::db::DbError;
use types::{IdempotencyKey, OrderId, OrderNo, Page, UnixMillis, UserId};

use super::lock;

/// What a database does to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Applies it, and the connection is lost before the answer.
    LoseReply,
    /// The connection is lost before it arrives; nobody can tell.
    LoseRequest,
    /// Says that it is not there.
    Down,
}

/// Which batches: those that hold such an operation.
pub(crate) type Picks = fn(&Op) -> bool;

/// A store that fails as it is told to.
pub(crate) struct FlakyStore {
    inner: Arc<dyn Store>,
    faults: Mutex<VecDeque<(Picks, Fault)>>,
    looks: AtomicUsize,
}

impl FlakyStore {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
            looks: AtomicUsize::new(0),
        }
    }

    /// The next batch that `picks` picks meets `fault`.
    pub(crate) fn next(&self, picks: Picks, fault: Fault) {
        lock(&self.faults).push_back((picks, fault));
    }

    /// How often an order was looked for by its key.
    pub(crate) fn looks_for_requests(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    /// Whether every fault has been met.
    pub(crate) fn is_spent(&self) -> bool {
        lock(&self.faults).is_empty()
    }

    fn fault_of(&self, batch: &Batch<Op>) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let at = faults
            .iter()
            .position(|(picks, _)| batch.iter().any(picks))?;
        faults.remove(at).map(|(_, fault)| fault)
    }
}

#[async_trait]
impl Store for FlakyStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let lost = || DbError::OutcomeUnknown("scripted: the connection was lost".to_owned());
        match self.fault_of(&batch) {
            None => self.inner.apply(batch).await,
            Some(Fault::Down) => Err(DbError::Unavailable("scripted: down".to_owned())),
            Some(Fault::LoseRequest) => Err(lost()),
            Some(Fault::LoseReply) => {
                self.inner.apply(batch).await?;
                Err(lost())
            }
        }
    }

    async fn find_orders(&self, numbers: &[OrderNo]) -> Result<Vec<OrderDetail>, DbError> {
        self.inner.find_orders(numbers).await
    }

    async fn find_requests(
        &self,
        requests: &[(UserId, IdempotencyKey)],
    ) -> Result<Vec<Order>, DbError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.inner.find_requests(requests).await
    }

    async fn list_orders(
        &self,
        filter: OrderFilter,
        page: Page,
    ) -> Result<(Vec<OrderDetail>, u64), DbError> {
        self.inner.list_orders(filter, page).await
    }

    async fn due_orders(
        &self,
        stage: Stage,
        until: UnixMillis,
        after: Option<DueOrder>,
        limit: u32,
    ) -> Result<Vec<DueOrder>, DbError> {
        self.inner.due_orders(stage, until, after, limit).await
    }

    async fn due_intents(&self, until: UnixMillis, limit: u32) -> Result<Vec<Intent>, DbError> {
        self.inner.due_intents(until, limit).await
    }

    async fn written_under(&self, intent: Intent) -> Result<BTreeSet<OrderId>, DbError> {
        self.inner.written_under(intent).await
    }

    async fn due_tasks(
        &self,
        kinds: &'static [TaskKind],
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Task>, DbError> {
        self.inner.due_tasks(kinds, now, limit).await
    }

    async fn parked_tasks(&self, limit: u32) -> Result<Vec<Task>, DbError> {
        self.inner.parked_tasks(limit).await
    }

    async fn history(&self, id: OrderId) -> Result<Vec<HistoryRow>, DbError> {
        self.inner.history(id).await
    }

    async fn feed_cursor(&self) -> Result<u64, DbError> {
        self.inner.feed_cursor().await
    }

    async fn health(&self, now: UnixMillis) -> Result<Health, DbError> {
        self.inner.health(now).await
    }

    async fn reserve_ids(&self, count: u64) -> Result<Range<u64>, DbError> {
        self.inner.reserve_ids(count).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
