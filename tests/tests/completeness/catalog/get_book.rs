//! The cells of `GetBook`.

use anyhow::ensure;
use api::catalog::v1::{GetBookRequest, UnpublishBookRequest};
use bookstore_e2e::Clients;

use super::{NOBODY, book_of};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("GetBook", Success, get_book),
        cell("GetBook", Code(40400), get_no_book),
        cell("GetBook", BadInput, get_bad_ids),
        cell("GetBook", Repeat, get_book_again),
    ]
}

async fn get_book(clients: Clients) -> anyhow::Result<()> {
    let id = clients.publish("取一本书", 12800).await?;
    clients.done(UnpublishBookRequest { book_id: id }).await?;
    // Old orders link to unpublished books, so they can still be got.
    let got = book_of(&clients, id).await?;
    ensure!(
        (got.id, got.title.as_str(), got.price) == (id, "取一本书", 12800),
        "{got:?}"
    );
    ensure!(got.unpublished, "{got:?}");
    Ok(())
}

async fn get_no_book(clients: Clients) -> anyhow::Result<()> {
    let request = GetBookRequest { book_id: NOBODY };
    let reply = clients
        .refused(request, 40400, "图书不存在", "book not found")
        .await?;
    ensure!(reply.book.is_none(), "{reply:?}");
    Ok(())
}

async fn get_bad_ids(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(GetBookRequest { book_id: 0 }, &["book_id"])
        .await?;
    clients
        .malformed(
            GetBookRequest {
                book_id: ID_TOO_LARGE,
            },
            &["book_id"],
        )
        .await
}

async fn get_book_again(clients: Clients) -> anyhow::Result<()> {
    let book_id = clients.publish("取两次", 1).await?;
    let request = GetBookRequest { book_id };
    ensure!(clients.done(request).await? == clients.done(request).await?);
    Ok(())
}
