//! Reading books by id and by page.

use std::sync::Arc;

use platform::deadline::Deadline;
use types::{BookId, Page};

use super::Catalog;
use crate::domain::{Book, Refusal};
use crate::error::CatalogError;
use crate::store::PublishedPage;

impl Catalog {
    /// One book, published or not.
    pub(crate) async fn get_book(
        &self,
        id: BookId,
        deadline: Deadline,
    ) -> Result<Arc<Book>, CatalogError> {
        let book = self
            .reader
            .read_book(id, deadline)
            .await
            .map_err(CatalogError::Load)?;
        Ok(book.ok_or(Refusal::NotFound)?)
    }

    /// The books with these ids: in the order asked, each once, missing ones left out.
    pub(crate) async fn batch_get_books(
        &self,
        ids: &[BookId],
        deadline: Deadline,
    ) -> Result<Vec<Arc<Book>>, CatalogError> {
        self.reader
            .read_books(ids, deadline)
            .await
            .map_err(CatalogError::Load)
    }

    /// One page of the published books, by ascending id: as the store has them now.
    pub(crate) async fn list_books(
        &self,
        page: Page,
        deadline: Deadline,
    ) -> Result<PublishedPage, CatalogError> {
        let listed = deadline.within(self.store.list_published(page)).await?;
        listed.map_err(CatalogError::List)
    }
}
