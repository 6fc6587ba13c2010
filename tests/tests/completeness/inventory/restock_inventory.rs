//! The cells of `RestockInventory`.

use anyhow::ensure;
use bookstore_e2e::Clients;

use super::{NOBODY, conflict, deduct_of, restock_of, twice};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell, key_too_long};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("RestockInventory", Success, restock),
        cell("RestockInventory", Code(40901), restock_under_a_used_key),
        cell("RestockInventory", BadInput, restock_badly),
        cell("RestockInventory", Repeat, restock_again),
    ]
}

async fn restock(clients: Clients) -> anyhow::Result<()> {
    let book_id = NOBODY + 1;
    // It makes the record where there is none; without a key each call counts.
    ensure!(clients.done(restock_of(book_id, 5, "")).await?.new_quantity == 5);
    ensure!(clients.done(restock_of(book_id, 5, "")).await?.new_quantity == 10);
    ensure!(clients.stock_of(book_id).await? == (10, 0));
    Ok(())
}

async fn restock_under_a_used_key(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(restock_of(book, 1, "r-used")).await?;
    conflict(&clients, restock_of(book, 2, "r-used")).await?;
    // One namespace: the key of another method is used too. Keys compare byte for byte.
    clients.done(deduct_of(book, 1, 1, "r-deduct")).await?;
    conflict(&clients, restock_of(book, 1, "r-deduct")).await?;
    clients.done(restock_of(book, 1, "R-USED")).await?;
    clients.done(restock_of(book, 1, "r-usé")).await?;
    ensure!(clients.stock_of(book).await? == (12, 1));
    Ok(())
}

async fn restock_badly(clients: Clients) -> anyhow::Result<()> {
    let all = ["book_id", "quantity", "idempotency_key"];
    clients
        .malformed(restock_of(0, 0, &key_too_long()), &all)
        .await?;
    clients
        .malformed(restock_of(ID_TOO_LARGE, -1, ""), &["book_id", "quantity"])
        .await?;
    // Free and reserved copies together must stay within 32 bits.
    let book = clients.stocked(1, i32::MAX).await?;
    clients
        .malformed(restock_of(book, 1, "r-over"), &["quantity"])
        .await?;
    clients.done(deduct_of(book, 10, 1, "r-over-hold")).await?;
    clients
        .malformed(restock_of(book, 1, "r-over"), &["quantity"])
        .await?;
    ensure!(clients.stock_of(book).await? == (i32::MAX - 10, 10));
    Ok(())
}

async fn restock_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    twice(&clients, restock_of(book, 5, "r-twice")).await?;
    ensure!(clients.stock_of(book).await? == (15, 0));
    Ok(())
}
