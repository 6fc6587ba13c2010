//! Balances against the ledger, in two sums.

use platform::args;
use platform::db::{DbError, Tx};

use crate::store::{LedgerSums, Sums};

/// Adds up all balances, and the entries after `known.last_entry`.
pub(super) async fn read_sums(tx: &mut Tx, known: LedgerSums) -> Result<Sums, DbError> {
    let balances = "SELECT SUM(quantity), SUM(reserved) FROM inventories";
    let entries = "SELECT MAX(id), SUM(change_quantity), SUM(change_reserved) \
        FROM inventory_logs WHERE id > ?";
    let mut sums = Sums {
        quantity: 0,
        reserved: 0,
        ledger: known,
    };
    // A sum over no rows is NULL.
    if let Some(row) = tx.query(balances, args![]).await?.first() {
        sums.quantity = row.opt_int(0)?.unwrap_or_default();
        sums.reserved = row.opt_int(1)?.unwrap_or_default();
    }
    if let Some(row) = tx.query(entries, args![known.last_entry]).await?.first() {
        let (quantity, reserved) = (row.opt_int(1)?, row.opt_int(2)?);
        sums.ledger = LedgerSums {
            last_entry: row.opt_int(0)?.unwrap_or(known.last_entry),
            quantity: known.quantity.saturating_add(quantity.unwrap_or_default()),
            reserved: known.reserved.saturating_add(reserved.unwrap_or_default()),
        };
    }
    Ok(sums)
}
