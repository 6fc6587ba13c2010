use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::DbError;
use platform::ids::IdSource;
use types::{OrderId, UnixMillis};

use super::{Measures, Store};
use crate::domain::{Event, Op, Outcome, Record, Rows};

/// The rules applied to rows in memory: the model that the SQL store is compared with.
///
/// Everything lives in memory and is gone with the value; share it by `Arc` to outlive a service.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rows: Rows,
    events: Vec<Event>,
    next_serial: u64,
}

/// The payments and the feed that a [`MemoryStore`] held at one moment, without the serials that it handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    rows: Rows,
    events: Vec<Event>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Arc<Self> {
        let state = State {
            rows: Rows::new([], 1),
            events: Vec::new(),
            next_serial: 1,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// What the store holds now.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot {
            rows: state.rows.clone(),
            events: state.events.clone(),
        }
    }

    /// Goes back to what the store held at `snapshot`.
    pub fn restore(&self, snapshot: &Snapshot) {
        let mut state = self.lock();
        state.rows.clone_from(&snapshot.rows);
        state.events.clone_from(&snapshot.events);
    }

    /// Looks at the rows and the feed as they stand, between two transactions.
    pub fn inspect<T>(&self, look: impl FnOnce(&Rows, &[Event]) -> T) -> T {
        let state = self.lock();
        look(&state.rows, &state.events)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Rules do not panic halfway through a change; a panic elsewhere leaves the rows whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl IdSource for MemoryStore {
    async fn reserve(&self, count: u64) -> Result<Range<u64>, DbError> {
        let mut state = self.lock();
        let start = state.next_serial;
        state.next_serial = start.saturating_add(count);
        Ok(start..state.next_serial)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let mut state = self.lock();
        let outcomes = batch.iter().map(|op| state.rows.apply(op)).collect();
        let changes = state.rows.take_changes();
        state.events.extend(changes.events);
        Ok(outcomes)
    }

    async fn find_records(&self, orders: &[OrderId]) -> Result<Vec<Record>, DbError> {
        let state = self.lock();
        let records = orders.iter().filter_map(|id| state.rows.record(*id));
        Ok(records.cloned().collect())
    }

    async fn list_due(&self, now: UnixMillis, limit: u32) -> Result<Vec<Record>, DbError> {
        let state = self.lock();
        let is_due = |record: &&Record| record.attempt.next_check_at.is_some_and(|at| at <= now);
        let mut due: Vec<Record> = state.rows.records().filter(is_due).cloned().collect();
        due.sort_by_key(|record| (record.attempt.next_check_at, record.payment.order_id));
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(due)
    }

    async fn list_events(&self, after: u64, limit: u32) -> Result<Vec<Event>, DbError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let state = self.lock();
        // Ids count from 1 without a gap, so event n is at index n - 1.
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(state
            .events
            .iter()
            .skip(skipped)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn measure(&self) -> Result<Measures, DbError> {
        let state = self.lock();
        let open = state
            .rows
            .records()
            .filter(|record| record.attempt.is_open())
            .count();
        Ok(Measures {
            attempts_open: u64::try_from(open).unwrap_or(u64::MAX),
            last_event_id: state.rows.next_event_id().saturating_sub(1),
        })
    }

    async fn close(&self) {}
}
