//! Table `payment_events`: the feed, and the counter that numbers it.
//!
//! A transaction advances the counter, by compare-and-set from the value that its events were
//! numbered by, before it writes the first of them, and keeps the counter locked until it ends. So
//! ids are gapless, and a reader who sees event n sees all before it.

use platform::args;
use platform::db::{DbError, Insert, Lookup, Matches, Row, Tx, Value};
use types::{Fen, OrderId, PaymentNo, PaymentStatus};

use super::unsigned;
use crate::domain::Event;

const INSERT: Insert = Insert {
    table: "payment_events",
    columns: "id, order_id, payment_no, amount, status, created_at",
};

const LIST: &str = "SELECT id, order_id, payment_no, amount, status, created_at \
    FROM payment_events WHERE id > ? ORDER BY id LIMIT ?";

const NEXT_ID: &str = "SELECT next FROM id_counters WHERE name IN";
const COUNTER: &str = "payment_events";

const ADVANCE: &str = "UPDATE id_counters SET next = ? WHERE name = 'payment_events' AND next = ?";

/// Looks up and locks the counter, if the batch may append an event.
pub(super) fn locking_counter(may_append: bool) -> Lookup<'static> {
    Lookup {
        before: NEXT_ID,
        list: if may_append { args![COUNTER] } else { args![] },
        after: "",
        locks: true,
    }
}

/// The last event's id; 0 where there is none.
pub(super) async fn last_id(tx: &mut Tx) -> Result<u64, DbError> {
    let counter = tx.query_in(NEXT_ID, args![COUNTER], "").await?;
    Ok(next_id(&counter)?.saturating_sub(1))
}

/// The id that the next event gets.
pub(super) fn next_id(counter: &[Row]) -> Result<u64, DbError> {
    match counter.first() {
        Some(row) => unsigned(row.int(0)?, "id_counters.next"),
        None => Err(DbError::corrupt("id_counters has no row payment_events")),
    }
}

/// Appends events, numbered from where the feed ended when they were decided; if it has moved
/// since, the whole transaction fails.
///
/// The counter goes first: it is locked from here on.
pub(super) async fn append(tx: &mut Tx, events: &[Event]) -> Result<(), DbError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(());
    };
    let advance = vec![signed(last.id.saturating_add(1)), signed(first.id)];
    tx.execute_each(ADVANCE, vec![advance], Matches::OneEach("id_counters"))
        .await?;
    let rows = events.iter().map(|event| {
        args![
            signed(event.id),
            event.order_id,
            &event.payment_no,
            event.amount,
            event.status.number(),
            event.created_at,
        ]
    });
    tx.insert_rows(&INSERT, rows.collect()).await
}

/// The feed after the event `after`.
pub(super) async fn list(tx: &mut Tx, after: u64, limit: u32) -> Result<Vec<Event>, DbError> {
    let rows = tx.query(LIST, vec![signed(after), limit.into()]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Event, DbError> {
    Ok(Event {
        id: unsigned(row.int(0)?, "payment_events.id")?,
        order_id: OrderId::from_i64(row.int(1)?)
            .ok_or_else(|| DbError::corrupt("payment_events.order_id"))?,
        payment_no: PaymentNo::parse(&row.text(2)?)
            .ok_or_else(|| DbError::corrupt("payment_events.payment_no"))?,
        amount: Fen::stored(row.int(3)?),
        status: PaymentStatus::from_number(row.int(4)?)
            .ok_or_else(|| DbError::corrupt("payment_events.status"))?,
        created_at: row.time(5)?,
    })
}

/// An event id as a database holds it. One beyond 63 bits can only come from a caller, and is
/// clamped: no event has such an id.
fn signed(id: u64) -> Value {
    Value::Int(i64::try_from(id).unwrap_or(i64::MAX))
}
