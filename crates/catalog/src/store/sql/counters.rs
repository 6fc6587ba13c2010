//! Table `id_counters`: the numbers that the catalog hands out next.

use platform::args;
use platform::db::{DbError, Matches, Tx};

use crate::domain::{Counters, Revision};

const BOOKS: &str = "books";
const CHANGES: &str = "book_changes";

const READ: &str =
    "SELECT name, next FROM id_counters WHERE name IN ('book_changes', 'books') ORDER BY name";
const WRITE: &str = "UPDATE id_counters SET next = ? WHERE name = ?";

/// Reads the counters and locks them until the transaction ends: one writer at a time.
pub(super) async fn lock(tx: &mut Tx) -> Result<Counters, DbError> {
    let sql = format!("{READ}{}", tx.for_update());
    let (mut next_id, mut next_revision) = (None, None);
    for row in tx.query(&sql, args![]).await? {
        match row.text(0)?.as_str() {
            BOOKS => next_id = u64::try_from(row.int(1)?).ok(),
            _ => next_revision = Some(row.int(1)?),
        }
    }
    match (next_id, next_revision.and_then(|next| next.checked_sub(1))) {
        (Some(next_id), Some(last)) => Ok(Counters {
            next_id,
            last_revision: Revision::new(last),
        }),
        _ => Err(DbError::corrupt(
            "id_counters: a counter of the catalog is missing",
        )),
    }
}

/// Writes the counters that moved.
pub(super) async fn write(tx: &mut Tx, before: Counters, after: Counters) -> Result<(), DbError> {
    let mut moved = Vec::new();
    if after.last_revision != before.last_revision {
        moved.push(args![after.last_revision.next().get(), CHANGES]);
    }
    if after.next_id != before.next_id {
        // Ids end at 2^53, far below the sign bit.
        moved.push(args![after.next_id.cast_signed(), BOOKS]);
    }
    tx.execute_each(WRITE, moved, Matches::OneEach("id_counters"))
        .await
}
