//! Sums over all tables, for the audit: aggregate queries, so that only totals and exceptions
//! leave the database.

use platform::args;
use platform::db::{Database, DbError, Row, Tx};

use super::keys::{self, read_key, read_reference};
use super::stocks::{self, book_of};
use crate::audit::{Facts, HoldSum, LedgerSum};

const LEDGER_SUMS: &str = "SELECT book_id, SUM(change_quantity), SUM(change_reserved), \
    SUM(CASE WHEN operation_type = 'restock' THEN change_quantity ELSE 0 END), \
    SUM(CASE WHEN operation_type = 'commit' THEN -change_reserved ELSE 0 END), COUNT(*) \
    FROM inventory_logs GROUP BY book_id ORDER BY book_id";

/// Entries whose balance is not the previous one plus their change, or whose version is not the next.
const CHAIN_BREAKS: &str = "SELECT book_id, version_after FROM (\
    SELECT book_id, version_after, change_quantity, change_reserved, quantity_after, \
        reserved_after, \
        COALESCE(LAG(quantity_after) OVER (PARTITION BY book_id ORDER BY version_after), 0) AS quantity_before, \
        COALESCE(LAG(reserved_after) OVER (PARTITION BY book_id ORDER BY version_after), 0) AS reserved_before, \
        COALESCE(LAG(version_after) OVER (PARTITION BY book_id ORDER BY version_after), 0) AS version_before \
    FROM inventory_logs) AS entries \
    WHERE quantity_after <> quantity_before + change_quantity \
        OR reserved_after <> reserved_before + change_reserved \
        OR version_after <> version_before + 1 \
    ORDER BY book_id, version_after";

const HOLD_SUMS: &str = "SELECT hold_key, MAX(reference_id), book_id, SUM(change_reserved), \
    MAX(created_at) FROM inventory_logs WHERE hold_key IS NOT NULL \
    GROUP BY hold_key, book_id HAVING SUM(change_reserved) <> 0";

/// Reads the facts of an audit on one snapshot.
pub(crate) async fn read_facts(database: &Database) -> Result<Facts, DbError> {
    database
        .read_long("audit_stock", |tx| Box::pin(read_facts_in(tx)))
        .await
}

async fn read_facts_in(tx: &mut Tx) -> Result<Facts, DbError> {
    Ok(Facts {
        balances: stocks::read_all_stocks(tx).await?,
        ledgers: read_all(tx, LEDGER_SUMS, ledger_sum_of).await?,
        breaks: read_all(tx, CHAIN_BREAKS, |row| Ok((book_of(row, 0)?, row.int(1)?))).await?,
        hold_sums: read_all(tx, HOLD_SUMS, hold_sum_of).await?,
        open_holds: keys::read_open_holds(tx).await?,
    })
}

async fn read_all<T>(
    tx: &mut Tx,
    select: &str,
    decode: impl Fn(&Row) -> Result<T, DbError>,
) -> Result<Vec<T>, DbError> {
    tx.query(select, args![])
        .await?
        .iter()
        .map(decode)
        .collect()
}

fn ledger_sum_of(row: &Row) -> Result<LedgerSum, DbError> {
    Ok(LedgerSum {
        book: book_of(row, 0)?,
        quantity: row.int(1)?,
        reserved: row.int(2)?,
        restocked: row.int(3)?,
        committed: row.int(4)?,
        entries: row.int(5)?,
    })
}

fn hold_sum_of(row: &Row) -> Result<HoldSum, DbError> {
    Ok(HoldSum {
        key: read_key(row, 0)?,
        reference: read_reference(row, 1)?,
        book: book_of(row, 2)?,
        outstanding: row.int(3)?,
        changed_at: row.time(4)?,
    })
}
