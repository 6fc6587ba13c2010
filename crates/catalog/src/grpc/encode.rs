//! Encodes books as messages.

use std::sync::Arc;

use api::catalog::v1;

use crate::domain::{Book, PrintedIsbn};

pub(super) fn book(book: &Book) -> v1::Book {
    let details = &book.details;
    v1::Book {
        id: book.id.get(),
        title: details.title.clone(),
        author: details.author.clone(),
        isbn: details
            .isbn
            .as_ref()
            .map(PrintedIsbn::printed)
            .unwrap_or_default()
            .to_owned(),
        price: details.price.get(),
        description: details.description.clone(),
        created_at: book.created_at.seconds(),
        updated_at: book.updated_at.seconds(),
        unpublished: book.unpublished,
    }
}

pub(super) fn books(books: &[Arc<Book>]) -> Vec<v1::Book> {
    books.iter().map(|one| book(one)).collect()
}

pub(super) fn total(total: u64) -> i64 {
    i64::try_from(total).unwrap_or(i64::MAX)
}
