//! The cells of `ReleaseStock`.

use anyhow::ensure;
use bookstore_e2e::Clients;

use super::{NO_RECORD, NOBODY, batch_of, conflict, deduct_of, release_of, settle, twice};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell, key_too_long};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("ReleaseStock", Success, release),
        cell("ReleaseStock", Code(40402), release_without_a_record),
        cell("ReleaseStock", Code(40901), release_under_a_used_key),
        cell("ReleaseStock", Code(40902), release_too_much),
        cell("ReleaseStock", BadInput, release_badly),
        cell("ReleaseStock", Repeat, release_again),
    ]
}

async fn release(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(deduct_of(book, 4, 7, "rel-1")).await?;
    clients.done(deduct_of(book, 2, 7, "rel-2")).await?;
    // It reaches over several deductions of one reference.
    ensure!(clients.done(release_of(book, 5, 7, "")).await?.new_quantity == 9);
    ensure!(clients.done(release_of(book, 1, 7, "")).await?.new_quantity == 10);
    // Nothing outstanding: nothing changes.
    ensure!(clients.done(release_of(book, 1, 7, "")).await?.new_quantity == 10);
    // An order's copies are out of its reach.
    clients.done(batch_of("rel-batch", 8, &[(book, 3)])).await?;
    clients.done(release_of(book, 3, 8, "")).await?;
    ensure!(clients.stock_of(book).await? == (7, 3));
    settle(&clients, "rel-batch").await
}

async fn release_without_a_record(clients: Clients) -> anyhow::Result<()> {
    let request = release_of(NOBODY, 1, 1, "");
    clients
        .refused(request, 40402, NO_RECORD.0, NO_RECORD.1)
        .await?;
    Ok(())
}

async fn release_under_a_used_key(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(deduct_of(book, 4, 1, "rel-used")).await?;
    conflict(&clients, release_of(book, 4, 1, "rel-used")).await?;
    clients.done(release_of(book, 1, 1, "rel-mine")).await?;
    conflict(&clients, release_of(book, 2, 1, "rel-mine")).await?;
    ensure!(clients.stock_of(book).await? == (7, 3));
    Ok(())
}

async fn release_too_much(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(deduct_of(book, 4, 1, "rel-much")).await?;
    let texts = ("释放数量超过已扣减数量", "releases more than was deducted");
    clients
        .refused(release_of(book, 5, 1, ""), 40902, texts.0, texts.1)
        .await?;
    clients
        .refused(release_of(book, 5, 1, "rel-keyed"), 40902, texts.0, texts.1)
        .await?;
    ensure!(clients.stock_of(book).await? == (6, 4));
    Ok(())
}

async fn release_badly(clients: Clients) -> anyhow::Result<()> {
    let all = ["book_id", "quantity", "reference_id", "idempotency_key"];
    clients
        .malformed(release_of(0, 0, ID_TOO_LARGE, &key_too_long()), &all)
        .await
}

async fn release_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients
        .done(deduct_of(book, 6, 1, "rel-twice-hold"))
        .await?;
    twice(&clients, release_of(book, 2, 1, "rel-twice")).await?;
    ensure!(clients.stock_of(book).await? == (6, 4));
    Ok(())
}
