//! What a batch can touch, read and locked: keys first, then balances, each ascending, so that
//! two replicas never wait for each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use platform::db::{DbError, Tx};
use types::{BookId, IdempotencyKey};

use super::keys::{self, KeyRows};
use super::{ledger, stocks};
use crate::domain::{Command, KeyUse, Op, Reference, Release, Rows};

/// Loads all rows that the operations of `batch` read or change.
pub(super) async fn load_rows(tx: &mut Tx, batch: &[Op]) -> Result<Rows, DbError> {
    let named: BTreeSet<&IdempotencyKey> = batch.iter().filter_map(|op| op.command.key()).collect();
    let mut key_rows = keys::lock_keys(tx, named.into_iter().collect()).await?;
    for ((book, reference), limit) in open_holds_needed(batch) {
        key_rows.extend(keys::lock_open_holds(tx, book, reference, limit).await?);
    }
    ledger::read_batch_lines(tx, &mut key_rows).await?;
    let mut rows = Rows::default();
    for stock in stocks::lock_stocks(tx, books_touched(batch, &key_rows)).await? {
        rows.put_stock(stock);
    }
    for (key, row) in key_rows {
        rows.put_key(key, row);
    }
    Ok(rows)
}

/// For each book and reference that a release names: how many of the oldest open holds suffice.
///
/// Each hold has one copy and more, so as many as there are copies to give back; and each end of
/// a hold in the same batch can take one of them away before the release has its turn.
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

/// The books that the batch names, and those of the holds that it may end.
fn books_touched(batch: &[Op], keys: &KeyRows) -> Vec<BookId> {
    let mut books: BTreeSet<BookId> = batch
        .iter()
        .flat_map(|op| op.command.lines())
        .map(|line| line.book)
        .collect();
    for row in keys.values() {
        if let KeyUse::Hold(hold) = &row.used {
            books.extend(hold.lines.iter().map(|line| line.book));
        }
    }
    books.into_iter().collect()
}
