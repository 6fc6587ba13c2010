//! The catalog's cells.

mod batch_get_books;
mod get_book;
mod list_books;
mod publish_book;
mod search_books;
mod unpublish_book;
mod update_book;

use anyhow::Context;
use api::catalog::v1::{Book, GetBookRequest, PublishBookRequest, SearchBooksRequest};
use bookstore_e2e::Clients;
use bookstore_e2e::goods::book;

use crate::table::Cell;

/// An id that no book has.
const NOBODY: u64 = 1 << 50;

pub(crate) fn cells() -> Vec<Cell> {
    [
        publish_book::cells(),
        get_book::cells(),
        list_books::cells(),
        search_books::cells(),
        batch_get_books::cells(),
        update_book::cells(),
        unpublish_book::cells(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn book_of(clients: &Clients, book_id: u64) -> anyhow::Result<Book> {
    clients
        .done(GetBookRequest { book_id })
        .await?
        .book
        .context("a reply without its book")
}

async fn search(clients: &Clients, keyword: &str) -> anyhow::Result<Vec<u64>> {
    let request = SearchBooksRequest {
        keyword: keyword.to_owned(),
        page: 1,
        page_size: 100,
    };
    Ok(clients
        .done(request)
        .await?
        .books
        .into_iter()
        .map(|book| book.id)
        .collect())
}

fn with_isbn(id: u64, isbn: &str) -> PublishBookRequest {
    let mut request = book(id, "有号的书", 100);
    if let Some(book) = &mut request.book {
        isbn.clone_into(&mut book.isbn);
    }
    request
}
