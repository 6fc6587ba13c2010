//! The store on a database: one SQL text for every kind of server, by table.

mod attempts;
mod events;
mod payments;
mod records;
mod remembered;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::{Database, DatabaseOptions, DatabaseUrl, DbError, Recall, Remembered, Tx};
use platform::ids::IdSource;
use types::{OrderId, UnixMillis};

use remembered::Known;

use super::{Measures, Store};
use crate::domain::{Event, Op, Outcome, Record, Rows};

/// Payments in a SQL database.
pub struct SqlStore {
    database: Database,
    remembered: Arc<Remembered<Known>>,
    /// How far the feed is known to be durable: the id of an event, and with it all before.
    durable_to: AtomicU64,
}

impl SqlStore {
    /// Opens the database and brings its schema up to date, or, where `migrate` is off, checks it.
    pub async fn open(url: &DatabaseUrl, migrate: bool) -> Result<Self, DbError> {
        let options = DatabaseOptions {
            migrate,
            ..DatabaseOptions::default()
        };
        let database = Database::open(url, crate::MIGRATIONS, options).await?;
        Ok(Self {
            database,
            remembered: Arc::default(),
            durable_to: AtomicU64::new(0),
        })
    }

    /// The beginning of `events` that is durable; waits for that where not even the first is known to be.
    ///
    /// Whoever follows the feed never asks for an event again, so none may be taken back: its id would be given
    /// to another, which nobody would see.
    async fn keep_durable(&self, mut events: Vec<Event>) -> Result<Vec<Event>, DbError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(events);
        };
        if first.id > self.durable_to.load(Ordering::Acquire) {
            self.database.sync().await?;
            self.durable_to.fetch_max(last.id, Ordering::AcqRel);
        }
        let durable_to = self.durable_to.load(Ordering::Acquire);
        events.retain(|event| event.id <= durable_to);
        Ok(events)
    }
}

#[async_trait]
impl IdSource for SqlStore {
    async fn reserve(&self, count: u64) -> Result<Range<u64>, DbError> {
        self.database
            .write("reserve payment ids", move |tx| {
                Box::pin(platform::ids::reserve(tx, "payments", count))
            })
            .await
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let recall = Arc::new(self.remembered.recall());
        let (outcomes, last_event) = self
            .database
            .write_keyed("apply payments", batch.turn(), {
                let (batch, recall) = (batch.clone(), Arc::clone(&recall));
                move |tx| {
                    let (batch, recall) = (batch.clone(), Arc::clone(&recall));
                    Box::pin(async move { apply_batch(tx, &batch, &recall).await })
                }
            })
            .await?;
        recall.end();
        self.durable_to.fetch_max(last_event, Ordering::AcqRel);
        Ok(outcomes)
    }

    async fn find_records(&self, orders: &[OrderId]) -> Result<Vec<Record>, DbError> {
        let orders = orders.to_vec();
        self.database
            .read_once("find payments", move |tx| {
                let orders = orders.clone();
                Box::pin(async move { records::find(tx, &orders).await })
            })
            .await
    }

    async fn list_due(&self, now: UnixMillis, limit: u32) -> Result<Vec<Record>, DbError> {
        self.database
            .read_once("list due attempts", move |tx| {
                Box::pin(records::list_due(tx, now, limit))
            })
            .await
    }

    async fn list_events(&self, after: u64, limit: u32) -> Result<Vec<Event>, DbError> {
        let events = self
            .database
            .read_once("list payment events", move |tx| {
                Box::pin(events::list(tx, after, limit))
            })
            .await?;
        self.keep_durable(events).await
    }

    async fn measure(&self) -> Result<Measures, DbError> {
        self.database
            .read("measure payments", |tx| Box::pin(measure(tx)))
            .await
    }

    async fn close(&self) {
        self.database.close().await;
    }
}

/// Applies the rules to a batch and writes what changed; returns the id of the last event that it appended, too,
/// or 0.
async fn apply_batch(
    tx: &mut Tx,
    batch: &[Op],
    recall: &Recall<Known>,
) -> Result<(Vec<Outcome>, u64), DbError> {
    let mut rows = match recall.begin(|known| known.rows_of(batch)) {
        Some(rows) => rows,
        None => load(tx, batch).await?,
    };
    let outcomes = batch.iter().map(|op| rows.apply(op)).collect();
    let last_event = write_changes(tx, &mut rows).await?;
    recall.note(|known| known.note(batch, &rows));
    Ok((outcomes, last_event))
}

/// Loads the rows that a batch touches.
///
/// Locks: payments with their last attempts in ascending order id, then the feed's counter, so that
/// two batches that read never deadlock. A batch that is decided from memory inserts before it
/// locks anything; if that deadlocks, the server aborts one of the two, and it is retried.
async fn load(tx: &mut Tx, batch: &[Op]) -> Result<Rows, DbError> {
    let orders: BTreeSet<OrderId> = batch.iter().map(Op::order_id).collect();
    let may_append = batch.iter().any(Op::may_append_event);
    let [records, counter] = tx
        .look_up([
            records::locking(&orders),
            events::locking_counter(may_append),
        ])
        .await?;
    let next_event_id = if may_append {
        events::next_id(&counter)?
    } else {
        0
    };
    Ok(Rows::new(records::read_all(&records)?, next_event_id))
}

async fn write_changes(tx: &mut Tx, rows: &mut Rows) -> Result<u64, DbError> {
    let changes = rows.take_changes();
    payments::write(tx, changes.payments.into_values()).await?;
    attempts::write(tx, changes.attempts.into_values()).await?;
    events::append(tx, &changes.events).await?;
    Ok(changes.events.last().map_or(0, |event| event.id))
}

async fn measure(tx: &mut Tx) -> Result<Measures, DbError> {
    Ok(Measures {
        attempts_open: attempts::count_open(tx).await?,
        last_event_id: events::last_id(tx).await?,
    })
}

/// A whole number that is negative only in a corrupt database.
fn unsigned(number: i64, column: &str) -> Result<u64, DbError> {
    u64::try_from(number).map_err(|_| DbError::corrupt(column))
}
