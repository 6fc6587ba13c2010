//! Table `inventory_logs`: entries are inserted and read, never updated or deleted.

use platform::args;
use platform::db::{DbError, Insert, Row, Tx, Value};
use types::IdempotencyKey;

use super::keys::{KeyRows, read_key};
use super::stocks::book_of;
use crate::domain::{Entry, FirstAnswer, HeldLine, Hold, HoldState, KeyUse, Reference, Stock};

const INSERT: Insert = Insert {
    table: "inventory_logs",
    columns: "book_id, operation_type, change_quantity, change_reserved, quantity_after, \
        reserved_after, version_after, idempotency_key, hold_key, reference_id, created_at",
};
const SELECT_LINES: &str = "SELECT hold_key, book_id, change_reserved, quantity_after, \
    reserved_after, version_after FROM inventory_logs WHERE hold_key IN";

/// Appends entries, in their order.
pub(super) async fn insert_entries(tx: &mut Tx, entries: &[Entry]) -> Result<(), DbError> {
    tx.insert_rows(&INSERT, entries.iter().map(insert_args).collect())
        .await
}

/// Fills in the lines of the batches among `keys`: what they deducted, in the request's order.
///
/// A batch ends as a whole, so its state and its deductions say all there is to know of it.
pub(super) async fn read_batch_lines(tx: &mut Tx, keys: &mut KeyRows) -> Result<(), DbError> {
    let is_batch = |used: &KeyUse| matches!(used, KeyUse::Hold(hold) if !hold.is_single());
    let batches = keys.iter().filter(|(_, row)| is_batch(&row.used));
    let list: Vec<Value> = batches.map(|(key, _)| key.into()).collect();
    let after = "AND operation_type = 'deduct' ORDER BY id";
    for row in &tx.query_in(SELECT_LINES, list, after).await? {
        let key = read_key(row, 0)?;
        if let Some(KeyUse::Hold(hold)) = keys.get_mut(&key).map(|row| &mut row.used) {
            add_line(hold, row)?;
        }
    }
    for (key, row) in keys.iter() {
        if matches!(&row.used, KeyUse::Hold(hold) if hold.lines.is_empty()) {
            return Err(lines_missing(key));
        }
    }
    Ok(())
}

fn add_line(hold: &mut Hold, row: &Row) -> Result<(), DbError> {
    let book = book_of(row, 1)?;
    let copies = row.int32(2)?;
    let stock = Stock {
        book,
        quantity: row.int32(3)?,
        reserved: row.int32(4)?,
        version: row.int(5)?,
    };
    let (outstanding, settled) = match hold.state {
        HoldState::Held => (copies, 0),
        HoldState::Released | HoldState::Committed => (0, copies),
    };
    hold.lines.push(HeldLine {
        book,
        version: stock.version,
        outstanding,
        settled,
    });
    if let FirstAnswer::Stocks(stocks) = &mut hold.first_answer {
        stocks.push(stock);
    }
    Ok(())
}

fn lines_missing(key: &IdempotencyKey) -> DbError {
    DbError::corrupt(format!("hold {key} has no entry in inventory_logs"))
}

fn insert_args(entry: &Entry) -> Vec<Value> {
    args![
        entry.after.book,
        entry.movement.name(),
        entry.change_quantity,
        entry.change_reserved,
        entry.after.quantity,
        entry.after.reserved,
        entry.after.version,
        entry.key.as_ref(),
        entry.hold_key.as_ref(),
        entry.reference.map(Reference::as_i64),
        entry.created_at,
    ]
}
