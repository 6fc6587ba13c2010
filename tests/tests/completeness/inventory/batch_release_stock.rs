//! The cells of `BatchReleaseStock`.

use anyhow::ensure;
use bookstore_e2e::Clients;

use super::{batch_of, conflict, deduct_of, item, release_all_of, release_of, twice};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, cell, key_too_long};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("BatchReleaseStock", Success, batch_release),
        cell("BatchReleaseStock", Code(40901), batch_release_of_a_restock),
        cell("BatchReleaseStock", BadInput, batch_release_badly),
        cell("BatchReleaseStock", Repeat, batch_release_again),
    ]
}

async fn batch_release(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (clients.stocked(1, 10).await?, clients.stocked(1, 10).await?);
    clients
        .done(batch_of("br-1", 1, &[(second, 2), (first, 1)]))
        .await?;
    let released = clients.done(release_all_of("br-1")).await?.released;
    ensure!(
        released == [item(first, 1), item(second, 2)],
        "{released:?}"
    );
    // It gives back what DeductStock took, too; as much as is still outstanding.
    clients.done(deduct_of(first, 5, 9, "br-2")).await?;
    clients.done(release_of(first, 2, 9, "")).await?;
    let released = clients.done(release_all_of("br-2")).await?.released;
    ensure!(released == [item(first, 3)], "{released:?}");
    ensure!(
        clients
            .done(release_all_of("br-unknown"))
            .await?
            .released
            .is_empty()
    );
    ensure!(clients.stock_of(first).await? == (10, 0));
    Ok(())
}

async fn batch_release_of_a_restock(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    conflict(&clients, release_all_of(&format!("first-{book}"))).await?;
    clients.done(deduct_of(book, 2, 1, "br-hold")).await?;
    clients.done(release_of(book, 1, 1, "br-single")).await?;
    conflict(&clients, release_all_of("br-single")).await
}

async fn batch_release_badly(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(release_all_of(""), &["idempotency_key"])
        .await?;
    clients
        .malformed(release_all_of(&key_too_long()), &["idempotency_key"])
        .await
}

async fn batch_release_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(batch_of("br-twice", 1, &[(book, 3)])).await?;
    twice(&clients, release_all_of("br-twice")).await?;
    ensure!(clients.stock_of(book).await? == (10, 0));
    Ok(())
}
