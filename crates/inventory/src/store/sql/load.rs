//! Reads and locks what a batch can touch: keys first, ascending, then the open holds that its releases
//! reach, then balances, ascending. So two replicas rarely deadlock; if they do, the server aborts one,
//! which is tried again.

use std::collections::{BTreeMap, BTreeSet};

use platform::db::{DbError, Tx};
use types::{BookId, IdempotencyKey};

use super::keys::{self, KeyRows};
use super::stocks;
use crate::domain::{Command, KeyUse, Op, Reference, Release, Rows};

/// Loads all rows that the operations of `batch` read or change.
pub(super) async fn load_rows(tx: &mut Tx, batch: &[Op]) -> Result<Rows, DbError> {
    let keys: BTreeSet<&IdempotencyKey> = batch.iter().filter_map(|op| op.command.key()).collect();
    let mut books = books_named(batch);
    // The books of the holds to settle are known only from the key rows, and all balances must be
    // locked in one order: so they are locked last. If nothing is settled, one round trip locks
    // both.
    let settles = batch.iter().any(|op| op.command.settles());
    let at_once = if settles {
        BTreeSet::new()
    } else {
        std::mem::take(&mut books)
    };
    let [keys, mut balances] = tx
        .look_up([keys::locking(keys), stocks::locking(at_once)])
        .await?;
    let mut key_rows = keys::read_keys(&keys)?;
    for ((book, reference), limit) in open_holds_needed(batch) {
        key_rows.extend(keys::lock_open_holds(tx, book, reference, limit).await?);
    }
    if settles {
        books.extend(books_held(&key_rows));
        [balances] = tx.look_up([stocks::locking(books)]).await?;
    }
    let mut rows = Rows::default();
    for stock in stocks::read_locked(&balances)? {
        rows.put_stock(stock);
    }
    for (key, row) in key_rows {
        rows.put_key(key, row);
    }
    Ok(rows)
}

/// For each book and reference that a release names: how many of the oldest open holds suffice.
///
/// Each has at least one copy outstanding, so as many as there are copies to give back; plus one
/// for each operation of the batch that ends a hold, as it may end one of them before the release
/// is applied.
fn open_holds_needed(batch: &[Op]) -> BTreeMap<(BookId, Reference), i64> {
    let ends = |op: &&Op| matches!(op.command, Command::BatchRelease(_) | Command::Commit(_));
    let ends = i64::try_from(batch.iter().filter(ends).count()).unwrap_or(i64::MAX);
    let mut needed = BTreeMap::new();
    for op in batch {
        if let Command::Release(Release {
            line, reference, ..
        }) = &op.command
        {
            let limit = needed.entry((line.book, *reference)).or_insert(ends);
            *limit = limit.saturating_add(line.quantity.get().into());
        }
    }
    needed
}

/// The books that the batch names.
fn books_named(batch: &[Op]) -> BTreeSet<BookId> {
    let lines = batch.iter().flat_map(|op| op.command.lines());
    lines.map(|line| line.book).collect()
}

/// The books of the holds among `keys`.
fn books_held(keys: &KeyRows) -> impl Iterator<Item = BookId> {
    let lines = keys.values().filter_map(|row| match &row.used {
        KeyUse::Hold(hold) => Some(&hold.lines),
        KeyUse::Answered { .. } | KeyUse::Fence => None,
    });
    lines.flatten().map(|line| line.book)
}
