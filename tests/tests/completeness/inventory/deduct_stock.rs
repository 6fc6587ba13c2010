//! The cells of `DeductStock`.

use anyhow::ensure;
use bookstore_e2e::Clients;

use super::{FENCED, NOBODY, SHORT, batch_of, conflict, deduct_of, release_all_of, restock_of};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell, key_too_long};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("DeductStock", Success, deduct),
        cell("DeductStock", Code(40100), deduct_too_much),
        cell("DeductStock", Code(40901), deduct_under_a_used_key),
        cell("DeductStock", Code(40904), deduct_after_the_release),
        cell("DeductStock", BadInput, deduct_badly),
        cell("DeductStock", Repeat, deduct_again),
    ]
}

async fn deduct(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    ensure!(
        clients
            .done(deduct_of(book, 10, 0, "d-all"))
            .await?
            .remaining_quantity
            == 0
    );
    ensure!(clients.stock_of(book).await? == (0, 10));
    Ok(())
}

async fn deduct_too_much(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    let request = deduct_of(book, 11, 1, "d-short");
    let reply = clients
        .refused(request.clone(), 40100, SHORT.0, SHORT.1)
        .await?;
    ensure!(reply.remaining_quantity == 10, "{reply:?}");
    let nothing = deduct_of(NOBODY, 1, 1, "d-nothing");
    let reply = clients.refused(nothing, 40100, SHORT.0, SHORT.1).await?;
    ensure!(reply.remaining_quantity == 0, "{reply:?}");
    // A refusal leaves nothing behind: the same key may succeed later.
    clients.done(restock_of(book, 1, "")).await?;
    ensure!(clients.done(request).await?.remaining_quantity == 0);
    Ok(())
}

async fn deduct_under_a_used_key(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(deduct_of(book, 1, 1, "d-used")).await?;
    conflict(&clients, deduct_of(book, 2, 1, "d-used")).await?;
    conflict(&clients, deduct_of(book, 1, 2, "d-used")).await?;
    conflict(&clients, batch_of("d-used", 1, &[(book, 1)])).await?;
    conflict(&clients, deduct_of(book, 1, 1, &format!("first-{book}"))).await?;
    ensure!(clients.stock_of(book).await? == (9, 1));
    Ok(())
}

async fn deduct_after_the_release(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    // The release comes first, of a key that nobody has seen: it fences it.
    clients.done(release_all_of("d-fenced")).await?;
    clients
        .refused(deduct_of(book, 1, 1, "d-fenced"), 40904, FENCED.0, FENCED.1)
        .await?;
    clients.done(deduct_of(book, 1, 1, "d-late")).await?;
    clients.done(release_all_of("d-late")).await?;
    clients
        .refused(deduct_of(book, 1, 1, "d-late"), 40904, FENCED.0, FENCED.1)
        .await?;
    ensure!(clients.stock_of(book).await? == (10, 0));
    Ok(())
}

async fn deduct_badly(clients: Clients) -> anyhow::Result<()> {
    let all = ["book_id", "quantity", "reference_id", "idempotency_key"];
    clients
        .malformed(deduct_of(0, 0, ID_TOO_LARGE, ""), &all)
        .await?;
    let key = key_too_long();
    clients
        .malformed(deduct_of(1, 1, 1, &key), &["idempotency_key"])
        .await?;
    // 64 bytes, not 64 characters.
    clients
        .malformed(deduct_of(1, 1, 1, &"键".repeat(22)), &["idempotency_key"])
        .await
}

async fn deduct_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    let request = deduct_of(book, 9, 1, "d-twice");
    let first = clients.done(request.clone()).await?;
    clients.done(deduct_of(book, 1, 1, "d-last-copy")).await?;
    // The last copy is gone since; the repeat hears its first answer all the same.
    ensure!(clients.done(request).await? == first);
    ensure!(clients.stock_of(book).await? == (0, 10));
    Ok(())
}
