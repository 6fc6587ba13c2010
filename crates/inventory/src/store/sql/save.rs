//! What a batch changed, written: at most an insert and an update a table.

use platform::db::{DbError, Tx};

use super::{keys, ledger, stocks};
use crate::domain::{Change, KeyUse, Rows};

/// Writes the changes of `rows` since they were loaded.
pub(super) async fn save_changes(tx: &mut Tx, rows: &mut Rows) -> Result<(), DbError> {
    let changes = rows.take_changes();
    // Keys go first: they are what a rival replica may have inserted, so that a lost race costs
    // one statement.
    let mut born = Vec::new();
    let mut ended = Vec::new();
    for (key, change) in &changes.keys {
        match (change, rows.key(key)) {
            (Change::Born, Some(row)) => born.push((key, row)),
            (Change::Altered, Some(row)) => {
                if let KeyUse::Hold(hold) = &row.used {
                    ended.push((key, hold));
                }
            }
            (_, None) => {}
        }
    }
    keys::insert_keys(tx, born).await?;
    keys::update_holds(tx, ended).await?;
    let stocks_of = |wanted: Change| {
        let books = changes
            .stocks
            .iter()
            .filter(move |(_, change)| **change == wanted);
        books
            .filter_map(|(book, _)| rows.stock(*book))
            .collect::<Vec<_>>()
    };
    stocks::insert_stocks(tx, &stocks_of(Change::Born)).await?;
    stocks::update_stocks(tx, &stocks_of(Change::Altered)).await?;
    ledger::insert_entries(tx, &changes.entries).await
}
