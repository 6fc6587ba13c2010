//! The cells of `ListBooks`.

use anyhow::ensure;
use api::catalog::v1::{ListBooksRequest, UnpublishBookRequest};
use bookstore_e2e::Clients;

use crate::table::Aspect::{BadInput, Repeat, Success};
use crate::table::{Cell, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("ListBooks", Success, list_books),
        cell("ListBooks", BadInput, list_bad_pages),
        cell("ListBooks", Repeat, list_books_again),
    ]
}

async fn list_books(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (
        clients.publish("甲", 1).await?,
        clients.publish("乙", 2).await?,
    );
    clients
        .done(UnpublishBookRequest { book_id: second })
        .await?;
    let third = clients.publish("丙", 3).await?;
    let mut listed = Vec::new();
    for page in 1.. {
        let reply = clients
            .done(ListBooksRequest {
                page,
                page_size: 100,
            })
            .await?;
        ensure!(reply.total >= 2, "{}", reply.total);
        if reply.books.is_empty() {
            break;
        }
        listed.extend(reply.books.into_iter().map(|book| book.id));
    }
    ensure!(listed.is_sorted(), "{listed:?}");
    ensure!(
        listed.contains(&first) && listed.contains(&third),
        "{listed:?}"
    );
    ensure!(
        !listed.contains(&second),
        "unpublished, but listed: {listed:?}"
    );
    // Page 0 is page 1, and page size 0 is 20.
    let reply = clients.done(ListBooksRequest::default()).await?;
    ensure!(reply.books.len() <= 20, "{}", reply.books.len());
    Ok(())
}

async fn list_bad_pages(clients: Clients) -> anyhow::Result<()> {
    let page = |page, page_size| ListBooksRequest { page, page_size };
    clients
        .malformed(page(-1, 101), &["page", "page_size"])
        .await?;
    clients.malformed(page(1, -1), &["page_size"]).await
}

async fn list_books_again(clients: Clients) -> anyhow::Result<()> {
    clients.publish("第一本", 1).await?;
    let first = || ListBooksRequest {
        page: 1,
        page_size: 1,
    };
    ensure!(clients.done(first()).await?.books == clients.done(first()).await?.books);
    Ok(())
}
