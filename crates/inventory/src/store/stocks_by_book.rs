use std::sync::Arc;

use async_trait::async_trait;
use platform::db::DbError;
use platform::reader::KeyedRows;
use types::BookId;

use super::Store;
use crate::domain::Stock;

/// Balances, by their book.
pub(crate) struct StocksByBook(pub(crate) Arc<dyn Store>);

#[async_trait]
impl KeyedRows for StocksByBook {
    type Key = BookId;
    type Row = Stock;

    const NAME: &'static str = "inventory.load";

    async fn find(&self, books: &[BookId]) -> Result<Vec<Stock>, DbError> {
        self.0.read_stocks(books).await
    }

    fn key(stock: &Stock) -> &BookId {
        &stock.book
    }
}
