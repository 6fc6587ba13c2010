//! The cells of `CommitStock`.

use anyhow::ensure;
use bookstore_e2e::Clients;

use super::{batch_of, commit_of, conflict, deduct_of, release_all_of, twice};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, cell, key_too_long};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("CommitStock", Success, commit),
        cell("CommitStock", Code(40901), commit_of_a_restock),
        cell("CommitStock", BadInput, commit_badly),
        cell("CommitStock", Repeat, commit_again),
    ]
}

async fn commit(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    let hold = batch_of("c-1", 1, &[(book, 3)]);
    let first = clients.done(hold.clone()).await?;
    clients.done(commit_of("c-1")).await?;
    ensure!(clients.stock_of(book).await? == (7, 0));
    // A deduction repeated after its commit hears its first answer; a release finds nothing.
    ensure!(clients.done(hold).await? == first);
    ensure!(
        clients
            .done(release_all_of("c-1"))
            .await?
            .released
            .is_empty()
    );
    ensure!(clients.stock_of(book).await? == (7, 0));
    // A key never seen is not fenced.
    clients.done(commit_of("c-2")).await?;
    clients.done(deduct_of(book, 1, 1, "c-2")).await?;
    ensure!(clients.stock_of(book).await? == (6, 1));
    Ok(())
}

async fn commit_of_a_restock(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    conflict(&clients, commit_of(&format!("first-{book}"))).await
}

async fn commit_badly(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(commit_of(""), &["idempotency_key"])
        .await?;
    clients
        .malformed(commit_of(&key_too_long()), &["idempotency_key"])
        .await
}

async fn commit_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(deduct_of(book, 3, 1, "c-twice")).await?;
    twice(&clients, commit_of("c-twice")).await?;
    ensure!(clients.stock_of(book).await? == (7, 0));
    Ok(())
}
