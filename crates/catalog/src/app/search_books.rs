//! Searching: the index knows which books, the reader what is in them.

use std::sync::Arc;

use platform::deadline::Deadline;
use types::Page;

use super::Catalog;
use crate::domain::Book;
use crate::error::CatalogError;

/// One page of what a keyword found.
#[derive(Debug)]
pub(crate) struct FoundBooks {
    /// The books, best matches first.
    pub(crate) books: Vec<Arc<Book>>,
    /// How many books all pages hold together.
    pub(crate) total: u64,
}

impl Catalog {
    /// Finds published books by a keyword of at least one character.
    pub(crate) async fn search_books(
        &self,
        keyword: &str,
        page: Page,
        deadline: Deadline,
    ) -> Result<FoundBooks, CatalogError> {
        let found = self.index.search(keyword, page).await?;
        let mut books = self.batch_get_books(&found.ids, deadline).await?;
        // The index may be a moment behind the books it names.
        books.retain(|book| !book.unpublished);
        Ok(FoundBooks {
            books,
            total: found.total,
        })
    }
}
