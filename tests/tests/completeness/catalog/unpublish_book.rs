//! The cells of `UnpublishBook`.

use anyhow::ensure;
use api::catalog::v1::UnpublishBookRequest;
use bookstore_e2e::Clients;
use bookstore_e2e::goods::order;
use testkit::eventually;

use super::{NOBODY, book_of, search};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("UnpublishBook", Success, unpublish_book),
        cell("UnpublishBook", Code(40400), unpublish_no_book),
        cell("UnpublishBook", BadInput, unpublish_bad_ids),
        cell("UnpublishBook", Repeat, unpublish_book_again),
    ]
}

async fn unpublish_book(clients: Clients) -> anyhow::Result<()> {
    let id = clients.stocked(100, 10).await?;
    clients.done(UnpublishBookRequest { book_id: id }).await?;
    eventually("an unpublished book is not sold", || async {
        let reply = clients.call(order(1, &[(id, 1)], "")).await.ok()?;
        (reply.code == 40400).then_some(())
    })
    .await;
    eventually("an unpublished book is not found", || async {
        search(&clients, "货架上的书")
            .await
            .ok()
            .filter(|found| !found.contains(&id))
    })
    .await;
    Ok(())
}

async fn unpublish_no_book(clients: Clients) -> anyhow::Result<()> {
    let request = UnpublishBookRequest { book_id: NOBODY };
    clients
        .refused(request, 40400, "图书不存在", "book not found")
        .await?;
    Ok(())
}

async fn unpublish_bad_ids(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(UnpublishBookRequest { book_id: 0 }, &["book_id"])
        .await?;
    clients
        .malformed(
            UnpublishBookRequest {
                book_id: ID_TOO_LARGE,
            },
            &["book_id"],
        )
        .await
}

async fn unpublish_book_again(clients: Clients) -> anyhow::Result<()> {
    let book_id = clients.publish("下架两次", 1).await?;
    clients.done(UnpublishBookRequest { book_id }).await?;
    let before = book_of(&clients, book_id).await?;
    clients.done(UnpublishBookRequest { book_id }).await?;
    ensure!(book_of(&clients, book_id).await? == before);
    Ok(())
}
