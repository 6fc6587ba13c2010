//! The table `feed_cursors`; the one feed there is has its row from the first migration on.

use platform::args;
use platform::db::{DbError, Lookup, Matches, Row, Tx};

use crate::domain::{Rows, Touched};

const SELECT: &str = "SELECT event_id FROM feed_cursors WHERE feed IN";
const FEED: &str = "payments";

const ADVANCE: &str =
    "UPDATE feed_cursors SET event_id = ? WHERE feed = 'payments' AND event_id < ?";

pub(super) async fn read(tx: &mut Tx) -> Result<u64, DbError> {
    event_id(&tx.query_in(SELECT, args![FEED], "").await?)
}

/// Reads the cursor, if it is touched, and locks it.
pub(super) fn locking(touched: &Touched) -> Lookup<'static> {
    Lookup {
        before: SELECT,
        list: if touched.cursor { args![FEED] } else { args![] },
        after: "",
        locks: true,
    }
}

pub(super) fn load(found: &[Row], touched: &Touched, rows: &mut Rows) -> Result<(), DbError> {
    if touched.cursor {
        rows.load_cursor(event_id(found)?);
    }
    Ok(())
}

fn event_id(found: &[Row]) -> Result<u64, DbError> {
    let event_id = found.first().map(|row| row.int(0)).transpose()?;
    let event_id = event_id.and_then(|id| u64::try_from(id).ok());
    event_id.ok_or_else(|| DbError::corrupt("feed_cursors: no payments"))
}

pub(super) async fn save(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    let Some(event_id) = rows.moved_cursor() else {
        return Ok(());
    };
    let event_id = i64::try_from(event_id)
        .map_err(|_| DbError::Broken("an event id of 2^63 or more".to_owned()))?;
    let advance = vec![args![event_id, event_id]];
    tx.execute_each(ADVANCE, advance, Matches::OneEach("feed_cursors"))
        .await
}
