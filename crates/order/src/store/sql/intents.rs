//! The table `order_intents`.

use platform::args;
use platform::db::{DbError, Insert, Lookup, Matches, Row, Tx, Value};
use types::UnixMillis;

use super::orders::{read_count, read_id};
use crate::domain::{Change, Intent, Rows, Touched};

macro_rules! columns {
    () => {
        "first_id, last_id, numbered_at, expires_at, written, recovering"
    };
}

const SELECT_BY_IDS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM order_intents WHERE first_id IN"
);

const SELECT_DUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM order_intents WHERE expires_at <= ? ORDER BY first_id LIMIT ?"
);

/// An intent that recovery has taken over counts until it is settled, however long its lease.
const COUNT_OVERDUE: &str =
    "SELECT COUNT(*) FROM order_intents WHERE expires_at < ? OR recovering = 1";

const INSERT: Insert = Insert {
    table: "order_intents",
    columns: columns!(),
};

/// The compare-and-set: recovery may have written an intent since it was remembered.
const UPDATE: &str = "UPDATE order_intents SET expires_at = ?, written = ?, recovering = ? \
    WHERE first_id = ? AND written = ? AND recovering = ?";

const DELETE: &str = "DELETE FROM order_intents WHERE first_id = ?";

pub(super) fn locking(touched: &Touched) -> Lookup<'static> {
    Lookup {
        before: SELECT_BY_IDS,
        list: touched.intents.iter().map(|id| Value::from(*id)).collect(),
        after: "ORDER BY first_id",
        locks: true,
    }
}

pub(super) fn load(found: &[Row], rows: &mut Rows) -> Result<(), DbError> {
    for row in found {
        rows.load_intent(read_intent(row)?);
    }
    Ok(())
}

pub(super) async fn save(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    let (mut inserts, mut updates, mut deletes) = (vec![], vec![], vec![]);
    for change in rows.intent_changes() {
        match change {
            Change::Insert(_, intent) => inserts.push(args![
                intent.first,
                intent.last,
                intent.numbered_at,
                intent.lease_until,
                count(intent.written)?,
                intent.recovering,
            ]),
            Change::Update { key, before, after } => updates.push(args![
                after.lease_until,
                count(after.written)?,
                after.recovering,
                *key,
                count(before.written)?,
                before.recovering,
            ]),
            Change::Delete(first) => deletes.push(args![*first]),
        }
    }
    let intents = Matches::OneEach("order_intents");
    tx.execute_each(DELETE, deletes, intents).await?;
    tx.execute_each(UPDATE, updates, intents).await?;
    tx.insert_rows(&INSERT, inserts).await
}

pub(crate) async fn list_due(
    tx: &mut Tx,
    until: UnixMillis,
    limit: u32,
) -> Result<Vec<Intent>, DbError> {
    let rows = tx.query(SELECT_DUE, args![until, limit]).await?;
    rows.iter().map(read_intent).collect()
}

pub(super) async fn count_overdue(tx: &mut Tx, now: UnixMillis) -> Result<u64, DbError> {
    let rows = tx.query(COUNT_OVERDUE, args![now]).await?;
    rows.first().map_or(Ok(0), |row| read_count(row, 0))
}

fn count(written: u64) -> Result<i64, DbError> {
    i64::try_from(written).map_err(|_| DbError::corrupt("order_intents.written"))
}

fn read_intent(row: &Row) -> Result<Intent, DbError> {
    Ok(Intent {
        first: read_id(row, 0)?,
        last: read_id(row, 1)?,
        numbered_at: row.time(2)?,
        lease_until: row.time(3)?,
        written: read_count(row, 4)?,
        recovering: row.flag(5)?,
    })
}
