//! Writes what a batch changed: at most one insert and one update per table.

use platform::db::{DbError, Tx};

use super::{keys, ledger, stocks};
use crate::domain::{Change, KeyUse, Rows, Stock};

/// Writes the changes of `rows` since they were loaded; returns the balances that changed.
pub(super) async fn save_changes(tx: &mut Tx, rows: &mut Rows) -> Result<Vec<Stock>, DbError> {
    let changes = rows.take_changes();
    // Keys go first: another replica may have inserted the same ones, and then the lost race costs
    // only one statement.
    let mut born = Vec::new();
    let mut altered = Vec::new();
    for (key, change) in &changes.keys {
        match (change, rows.key(key)) {
            (Change::Born, Some(row)) => born.push((key, row)),
            (Change::Altered, Some(row)) => {
                if let KeyUse::Hold(hold) = &row.used {
                    altered.push((key, hold));
                }
            }
            (_, None) => {}
        }
    }
    keys::insert_keys(tx, born).await?;
    keys::update_holds(tx, altered).await?;
    let mut first = Vec::new();
    let mut moved = Vec::new();
    for (book, before) in &changes.stocks {
        match (before, rows.stock(*book)) {
            (None, Some(stock)) => first.push(stock),
            (Some(before), Some(stock)) => moved.push((stock, *before)),
            (_, None) => {}
        }
    }
    stocks::insert_stocks(tx, &first).await?;
    stocks::update_stocks(tx, &moved).await?;
    ledger::insert_entries(tx, &changes.entries).await?;
    first.extend(moved.into_iter().map(|(stock, _)| stock));
    Ok(first)
}
