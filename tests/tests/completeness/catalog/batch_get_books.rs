//! The cells of `BatchGetBooks`.

use anyhow::ensure;
use api::catalog::v1::{BatchGetBooksRequest, UnpublishBookRequest};
use bookstore_e2e::Clients;

use super::NOBODY;
use crate::table::Aspect::{BadInput, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("BatchGetBooks", Success, batch_get_books),
        cell("BatchGetBooks", BadInput, batch_get_bad_ids),
        cell("BatchGetBooks", Repeat, batch_get_books_again),
    ]
}

async fn batch_get_books(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (
        clients.publish("一", 1).await?,
        clients.publish("二", 2).await?,
    );
    clients
        .done(UnpublishBookRequest { book_id: first })
        .await?;
    let ids = |ids: &[u64]| BatchGetBooksRequest {
        book_ids: ids.to_vec(),
    };
    let books = clients
        .done(ids(&[second, NOBODY, first, second]))
        .await?
        .books;
    let got: Vec<_> = books
        .iter()
        .map(|book| (book.id, book.unpublished))
        .collect();
    ensure!(got == [(second, false), (first, true)], "{got:?}");
    ensure!(clients.done(ids(&[])).await?.books.is_empty());
    Ok(())
}

async fn batch_get_bad_ids(clients: Clients) -> anyhow::Result<()> {
    let ids = |book_ids| BatchGetBooksRequest { book_ids };
    clients.malformed(ids(vec![1; 501]), &["book_ids"]).await?;
    clients
        .malformed(
            ids(vec![1, 0, ID_TOO_LARGE]),
            &["book_ids[1]", "book_ids[2]"],
        )
        .await
}

async fn batch_get_books_again(clients: Clients) -> anyhow::Result<()> {
    let id = clients.publish("再取", 1).await?;
    let request = BatchGetBooksRequest { book_ids: vec![id] };
    ensure!(clients.done(request.clone()).await? == clients.done(request).await?);
    Ok(())
}
