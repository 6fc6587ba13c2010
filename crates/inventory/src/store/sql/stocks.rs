//! Table `inventories`.

use std::collections::BTreeSet;

use platform::args;
use platform::db::{DbError, Insert, Lookup, Row, Tx, Update, Value};
use types::BookId;

use crate::domain::Stock;

const SELECT: &str =
    "SELECT book_id, quantity, reserved, version FROM inventories WHERE book_id IN";
const INSERT: Insert = Insert {
    table: "inventories",
    columns: "book_id, quantity, reserved, version",
};
const UPDATE: Update = Update {
    table: "inventories",
    set: &["quantity", "reserved", "version"],
    key: "book_id",
    // The whole balance, not only the version: a version that was rolled back is reused for another balance.
    guards: &["quantity", "reserved", "version"],
};

/// Reads the balances of `books`; those never stocked are left out.
pub(super) async fn read_stocks(tx: &mut Tx, books: Vec<BookId>) -> Result<Vec<Stock>, DbError> {
    let list = books.into_iter().map(Value::from).collect();
    let rows = tx.query_in(SELECT, list, "").await?;
    rows.iter().map(stock_of).collect()
}

/// Looks up and locks the balances of `books`, in ascending order.
pub(super) fn locking(books: BTreeSet<BookId>) -> Lookup<'static> {
    Lookup {
        before: SELECT,
        list: books.into_iter().map(Value::from).collect(),
        after: "ORDER BY book_id",
        locks: true,
    }
}

/// Reads what [`locking`] found.
pub(super) fn read_locked(rows: &[Row]) -> Result<Vec<Stock>, DbError> {
    rows.iter().map(stock_of).collect()
}

/// Writes balances of books that had none.
pub(super) async fn insert_stocks(tx: &mut Tx, stocks: &[Stock]) -> Result<(), DbError> {
    let row = |stock: &Stock| args![stock.book, stock.quantity, stock.reserved, stock.version];
    tx.insert_rows(&INSERT, stocks.iter().map(row).collect())
        .await
}

/// Updates balances by compare-and-set: pairs of the new balance and the one that it was decided on.
pub(super) async fn update_stocks(tx: &mut Tx, stocks: &[(Stock, Stock)]) -> Result<(), DbError> {
    let row = |(now, before): &(Stock, Stock)| {
        args![
            now.quantity,
            now.reserved,
            now.version,
            now.book,
            before.quantity,
            before.reserved,
            before.version
        ]
    };
    tx.update_rows(&UPDATE, stocks.iter().map(row).collect())
        .await
}

/// Reads every balance: for audits.
pub(super) async fn read_all_stocks(tx: &mut Tx) -> Result<Vec<Stock>, DbError> {
    let select = "SELECT book_id, quantity, reserved, version FROM inventories ORDER BY book_id";
    tx.query(select, args![])
        .await?
        .iter()
        .map(stock_of)
        .collect()
}

fn stock_of(row: &Row) -> Result<Stock, DbError> {
    Ok(Stock {
        book: book_of(row, 0)?,
        quantity: row.int32(1)?,
        reserved: row.int32(2)?,
        version: row.int(3)?,
    })
}

/// Reads a book's id out of `column`.
pub(super) fn book_of(row: &Row, column: usize) -> Result<BookId, DbError> {
    BookId::from_i64(row.int(column)?).ok_or_else(|| DbError::corrupt("book_id out of range"))
}
