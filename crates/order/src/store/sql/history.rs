//! The table `order_history`.

use platform::args;
use platform::db::{DbError, Insert, Row, Tx, Value};
use types::{OrderId, OrderStatus};

use super::orders::read_id;
use crate::domain::{HistoryRow, Rows};

const INSERT: Insert = Insert {
    table: "order_history",
    columns: "order_id, to_status, from_status, moved_at",
};

/// The states on any path of the state machine have ascending numbers, so this is the order of
/// events even where two transitions share a millisecond.
const SELECT_OF_ORDER: &str = "SELECT order_id, to_status, from_status, moved_at \
    FROM order_history WHERE order_id = ? ORDER BY to_status";

const SELECT_BETWEEN: &str = "SELECT order_id, to_status, from_status, moved_at \
    FROM order_history WHERE order_id > ? AND order_id <= ? ORDER BY order_id, to_status";

pub(super) async fn save(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    let inserts = rows.history().iter().map(insert_args).collect();
    tx.insert_rows(&INSERT, inserts).await
}

pub(super) async fn list(tx: &mut Tx, id: OrderId) -> Result<Vec<HistoryRow>, DbError> {
    tx.query(SELECT_OF_ORDER, args![id])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// The transitions of the orders after `after` up to `last`.
pub(crate) async fn read_history_between(
    tx: &mut Tx,
    after: i64,
    last: OrderId,
) -> Result<Vec<HistoryRow>, DbError> {
    tx.query(SELECT_BETWEEN, args![after, last])
        .await?
        .iter()
        .map(read)
        .collect()
}

fn insert_args(row: &HistoryRow) -> Vec<Value> {
    args![row.order_id, row.to.number(), row.from.number(), row.at]
}

fn read(row: &Row) -> Result<HistoryRow, DbError> {
    let status = |column| {
        OrderStatus::from_number(row.int(column)?)
            .ok_or_else(|| DbError::corrupt("a state in order_history"))
    };
    Ok(HistoryRow {
        order_id: read_id(row, 0)?,
        to: status(1)?,
        from: status(2)?,
        at: row.time(3)?,
    })
}
