//! Table `inventories`.

use platform::args;
use platform::db::{DbError, Row, Tx, Value};
use types::BookId;

use crate::domain::Stock;

const SELECT: &str =
    "SELECT book_id, quantity, reserved, version FROM inventories WHERE book_id IN";
const INSERT: &str = "INSERT INTO inventories (book_id, quantity, reserved, version) VALUES";
const UPDATE: &str =
    "UPDATE inventories SET quantity = ?, reserved = ?, version = ? WHERE book_id = ?";

/// Reads the balances of `books`; those never stocked are left out.
pub(super) async fn read_stocks(tx: &mut Tx, books: Vec<BookId>) -> Result<Vec<Stock>, DbError> {
    let rows = tx.query_in(SELECT, values(books), "").await?;
    rows.iter().map(stock_of).collect()
}

/// Reads and locks the balances of `books`, which come ascending, each once.
pub(super) async fn lock_stocks(tx: &mut Tx, books: Vec<BookId>) -> Result<Vec<Stock>, DbError> {
    let after = format!("ORDER BY book_id{}", tx.for_update());
    let rows = tx.query_in(SELECT, values(books), &after).await?;
    rows.iter().map(stock_of).collect()
}

/// Writes balances of books that had none.
pub(super) async fn insert_stocks(tx: &mut Tx, stocks: &[Stock]) -> Result<(), DbError> {
    let row = |stock: &Stock| args![stock.book, stock.quantity, stock.reserved, stock.version];
    tx.insert_rows(INSERT, stocks.iter().map(row).collect())
        .await
}

/// Writes balances over those that [`lock_stocks`] read.
pub(super) async fn update_stocks(tx: &mut Tx, stocks: &[Stock]) -> Result<(), DbError> {
    let row = |stock: &Stock| args![stock.quantity, stock.reserved, stock.version, stock.book];
    tx.execute_each(UPDATE, stocks.iter().map(row).collect())
        .await?;
    Ok(())
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

fn values(books: Vec<BookId>) -> Vec<Value> {
    books.into_iter().map(Value::from).collect()
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
