//! The table `order_items`.

use std::collections::BTreeMap;

use platform::args;
use platform::db::{DbError, Insert, Matches, Row, Tx, Value};
use types::{BookId, Fen, OrderId, Quantity};

use super::orders::read_id;
use crate::domain::{Change, Item, Order, OrderDetail, Rows};

const INSERT: Insert = Insert {
    table: "order_items",
    columns: "order_id, id, book_id, book_title, quantity, price",
};

const SELECT_BY_ORDERS: &str = "SELECT order_id, book_id, book_title, quantity, price \
    FROM order_items WHERE order_id IN";

const SELECT_BETWEEN: &str = "SELECT order_id, book_id, book_title, quantity, price \
    FROM order_items WHERE order_id > ? AND order_id <= ? ORDER BY order_id, id";

const DELETE: &str = "DELETE FROM order_items WHERE order_id = ?";

pub(super) async fn save(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    let (mut inserts, mut deletes) = (Vec::new(), Vec::new());
    for change in rows.item_changes() {
        match change {
            Change::Insert(id, items) => {
                inserts.extend(
                    (1_u32..)
                        .zip(items.iter())
                        .map(|(line, item)| insert_args(*id, line, item)),
                );
            }
            Change::Delete(id) => deletes.push(args![*id]),
            Change::Update { .. } => {
                return Err(DbError::Broken("items never change".to_owned()));
            }
        }
    }
    // The items of a loaded order are not in memory; they are deleted with it all the same.
    for change in rows.order_changes() {
        if let Change::Delete(id) = change {
            deletes.push(args![*id]);
        }
    }
    tx.execute_each(DELETE, deletes, Matches::Any).await?;
    tx.insert_rows(&INSERT, inserts).await
}

/// Attaches the items to their orders, whose sequence is kept.
pub(super) async fn attach(tx: &mut Tx, orders: Vec<Order>) -> Result<Vec<OrderDetail>, DbError> {
    let ids = orders.iter().map(|order| Value::from(order.id)).collect();
    let rows = tx
        .query_in(SELECT_BY_ORDERS, ids, "ORDER BY order_id, id")
        .await?;
    let mut items = group(&rows)?;
    let detail = |order: Order| OrderDetail {
        items: items.remove(&order.id).unwrap_or_default(),
        order,
    };
    Ok(orders.into_iter().map(detail).collect())
}

/// The items of the orders after `after` up to `last`.
pub(crate) async fn read_items_between(
    tx: &mut Tx,
    after: i64,
    last: OrderId,
) -> Result<BTreeMap<OrderId, Vec<Item>>, DbError> {
    group(&tx.query(SELECT_BETWEEN, args![after, last]).await?)
}

fn group(rows: &[Row]) -> Result<BTreeMap<OrderId, Vec<Item>>, DbError> {
    let mut items: BTreeMap<OrderId, Vec<Item>> = BTreeMap::new();
    for row in rows {
        items
            .entry(read_id(row, 0)?)
            .or_default()
            .push(read_item(row, 1)?);
    }
    Ok(items)
}

fn insert_args(order_id: OrderId, line: u32, item: &Item) -> Vec<Value> {
    args![
        order_id,
        line,
        item.book_id,
        item.book_title.as_str(),
        item.quantity,
        item.price
    ]
}

/// Reads an item whose columns begin at `first`.
pub(super) fn read_item(row: &Row, first: usize) -> Result<Item, DbError> {
    let corrupt = |what: &str| DbError::corrupt(format!("order_items.{what}"));
    Ok(Item {
        book_id: BookId::from_i64(row.int(first)?).ok_or_else(|| corrupt("book_id"))?,
        book_title: row.text(first + 1)?,
        quantity: Quantity::new(row.int32(first + 2)?).ok_or_else(|| corrupt("quantity"))?,
        price: Fen::stored(row.int(first + 3)?),
    })
}
