//! Balances and ledger, each summed in one query.

use platform::args;
use platform::db::{DbError, Tx};

use crate::store::{LedgerSums, Sums};

const BALANCES: &str = "SELECT SUM(quantity), SUM(reserved) FROM inventories";
const ENTRIES: &str = "SELECT MAX(id), SUM(change_quantity), SUM(change_reserved), \
    MAX(CASE WHEN id <= ? THEN id END), SUM(CASE WHEN id <= ? THEN change_quantity END), \
    SUM(CASE WHEN id <= ? THEN change_reserved END) FROM inventory_logs WHERE id > ?";

/// Adds up all balances, and the entries after `known.last_entry`.
pub(super) async fn read_sums(
    tx: &mut Tx,
    known: LedgerSums,
    settled_to: i64,
) -> Result<Sums, DbError> {
    let mut sums = Sums {
        quantity: 0,
        reserved: 0,
        ledger: known,
        settled: known,
    };
    // A sum over no rows is NULL.
    if let Some(row) = tx.query(BALANCES, args![]).await?.first() {
        sums.quantity = row.opt_int(0)?.unwrap_or_default();
        sums.reserved = row.opt_int(1)?.unwrap_or_default();
    }
    let args = args![settled_to, settled_to, settled_to, known.last_entry];
    if let Some(row) = tx.query(ENTRIES, args).await?.first() {
        let sum = |column| Ok::<_, DbError>(row.opt_int(column)?.unwrap_or_default());
        sums.ledger = known.and(sum(0)?, sum(1)?, sum(2)?);
        sums.settled = known.and(sum(3)?, sum(4)?, sum(5)?);
    }
    Ok(sums)
}
