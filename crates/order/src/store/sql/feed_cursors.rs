//! The table `feed_cursors`; the one feed there is has its row from the first migration on.

use platform::args;
use platform::db::{DbError, Tx};

use super::expect_rows;
use crate::domain::Rows;

const SELECT: &str = "SELECT event_id FROM feed_cursors WHERE feed = 'payments'";

const ADVANCE: &str =
    "UPDATE feed_cursors SET event_id = ? WHERE feed = 'payments' AND event_id < ?";

pub(super) async fn read(tx: &mut Tx) -> Result<u64, DbError> {
    read_by(tx, SELECT).await
}

/// Reads the cursor and keeps everybody else from moving it.
pub(super) async fn lock(tx: &mut Tx) -> Result<u64, DbError> {
    let sql = format!("{SELECT}{}", tx.for_update());
    read_by(tx, &sql).await
}

async fn read_by(tx: &mut Tx, sql: &str) -> Result<u64, DbError> {
    let rows = tx.query(sql, args![]).await?;
    let event_id = rows.first().map(|row| row.int(0)).transpose()?;
    let event_id = event_id.and_then(|id| u64::try_from(id).ok());
    event_id.ok_or_else(|| DbError::corrupt("feed_cursors: no payments"))
}

pub(super) async fn save(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    let Some(event_id) = rows.moved_cursor() else {
        return Ok(());
    };
    let event_id = i64::try_from(event_id)
        .map_err(|_| DbError::Broken("an event id of 2^63 or more".to_owned()))?;
    let moved = tx.execute(ADVANCE, args![event_id, event_id]).await?;
    expect_rows(moved, 1, "feed_cursors")
}
