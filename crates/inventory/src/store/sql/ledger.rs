//! Table `inventory_logs`: entries are inserted and read, never updated or deleted.

use platform::args;
use platform::db::{DbError, Insert, Tx, Value};

use crate::domain::{Entry, Reference};

const INSERT: Insert = Insert {
    table: "inventory_logs",
    columns: "book_id, operation_type, change_quantity, change_reserved, quantity_after, \
        reserved_after, version_after, idempotency_key, hold_key, reference_id, created_at",
};

/// Appends entries, in their order.
pub(super) async fn insert_entries(tx: &mut Tx, entries: &[Entry]) -> Result<(), DbError> {
    tx.insert_rows(&INSERT, entries.iter().map(insert_args).collect())
        .await
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
