//! The cells of `BatchGetStock`.

use anyhow::ensure;
use api::inventory::v1::BatchGetStockRequest;
use bookstore_e2e::Clients;

use super::{NOBODY, twice};
use crate::table::Aspect::{BadInput, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("BatchGetStock", Success, batch_get_stock),
        cell("BatchGetStock", BadInput, batch_get_bad_stock),
        cell("BatchGetStock", Repeat, batch_get_stock_again),
    ]
}

async fn batch_get_stock(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (clients.stocked(1, 10).await?, clients.stocked(1, 20).await?);
    let request = BatchGetStockRequest {
        book_ids: vec![second, NOBODY, first, second],
    };
    let stocks = clients.done(request).await?.stocks;
    let got: Vec<_> = stocks
        .iter()
        .map(|stock| (stock.book_id, stock.quantity))
        .collect();
    ensure!(got == [(second, 20), (first, 10)], "{got:?}");
    ensure!(
        clients
            .done(BatchGetStockRequest::default())
            .await?
            .stocks
            .is_empty()
    );
    Ok(())
}

async fn batch_get_bad_stock(clients: Clients) -> anyhow::Result<()> {
    let ids = |book_ids| BatchGetStockRequest { book_ids };
    clients.malformed(ids(vec![1; 501]), &["book_ids"]).await?;
    clients
        .malformed(
            ids(vec![0, 1, ID_TOO_LARGE]),
            &["book_ids[0]", "book_ids[2]"],
        )
        .await
}

async fn batch_get_stock_again(clients: Clients) -> anyhow::Result<()> {
    let book_id = clients.stocked(1, 10).await?;
    twice(
        &clients,
        BatchGetStockRequest {
            book_ids: vec![book_id],
        },
    )
    .await
}
