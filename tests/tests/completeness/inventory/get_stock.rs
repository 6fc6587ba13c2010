//! The cells of `GetStock`.

use anyhow::{Context, ensure};
use api::inventory::v1::GetStockRequest;
use bookstore_e2e::Clients;

use super::{NO_RECORD, NOBODY, deduct_of, twice};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("GetStock", Success, get_stock),
        cell("GetStock", Code(40402), get_no_stock),
        cell("GetStock", BadInput, get_bad_stock),
        cell("GetStock", Repeat, get_stock_again),
    ]
}

async fn get_stock(clients: Clients) -> anyhow::Result<()> {
    let book_id = clients.stocked(1, 10).await?;
    let read = || async {
        clients
            .done(GetStockRequest { book_id })
            .await?
            .stock
            .context("no stock")
    };
    let before = read().await?;
    clients.done(deduct_of(book_id, 3, 1, "g-deduct")).await?;
    let after = read().await?;
    ensure!(
        (after.book_id, after.quantity, after.reserved) == (book_id, 7, 3),
        "{after:?}"
    );
    ensure!(after.version == before.version + 1, "{before:?} {after:?}");
    Ok(())
}

async fn get_no_stock(clients: Clients) -> anyhow::Result<()> {
    let request = GetStockRequest { book_id: NOBODY };
    let reply = clients
        .refused(request, 40402, NO_RECORD.0, NO_RECORD.1)
        .await?;
    ensure!(reply.stock.is_none(), "{reply:?}");
    Ok(())
}

async fn get_bad_stock(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(GetStockRequest { book_id: 0 }, &["book_id"])
        .await?;
    clients
        .malformed(
            GetStockRequest {
                book_id: ID_TOO_LARGE,
            },
            &["book_id"],
        )
        .await
}

async fn get_stock_again(clients: Clients) -> anyhow::Result<()> {
    let book_id = clients.stocked(1, 10).await?;
    twice(&clients, GetStockRequest { book_id }).await
}
