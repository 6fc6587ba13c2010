use std::collections::BTreeMap;

use platform::deadline::Deadline;
use types::BookId;

use super::Inventory;
use crate::domain::{Refusal, Stock};
use crate::error::InventoryError;

impl Inventory {
    /// Reads the balance of one book; refused where it was never stocked.
    pub(crate) async fn get_stock(
        &self,
        book: BookId,
        deadline: Deadline,
    ) -> Result<Stock, InventoryError> {
        let stock = self.reader.find(book, deadline).await?;
        stock.ok_or(InventoryError::Refused(Refusal::StockNotFound))
    }

    /// Reads balances in the order of `books`, each once; books never stocked are left out.
    pub(crate) async fn batch_get_stock(
        &self,
        books: &[BookId],
    ) -> Result<Vec<Stock>, InventoryError> {
        let stocks = self.store.read_stocks(books).await?;
        let mut by_book: BTreeMap<BookId, Stock> = stocks
            .into_iter()
            .map(|stock| (stock.book, stock))
            .collect();
        // Each balance is removed as it is returned, so a repeated id finds nothing.
        Ok(books
            .iter()
            .filter_map(|book| by_book.remove(book))
            .collect())
    }
}
