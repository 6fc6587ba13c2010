//! The cells of `BatchDeductStock`.

use anyhow::ensure;
use bookstore_e2e::Clients;

use super::{FENCED, NOBODY, SHORT, batch_of, conflict, release_all_of, settle, twice};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("BatchDeductStock", Success, batch_deduct),
        cell("BatchDeductStock", Code(40100), batch_deduct_too_much),
        cell(
            "BatchDeductStock",
            Code(40901),
            batch_deduct_under_a_used_key,
        ),
        cell(
            "BatchDeductStock",
            Code(40904),
            batch_deduct_after_the_release,
        ),
        cell("BatchDeductStock", BadInput, batch_deduct_badly),
        cell("BatchDeductStock", Repeat, batch_deduct_again),
    ]
}

async fn batch_deduct(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (clients.stocked(1, 10).await?, clients.stocked(1, 20).await?);
    // A book that is named twice is summed; the answer is in the request's order.
    let request = batch_of("b-sum", 1, &[(second, 1), (first, 2), (second, 3)]);
    let stocks = clients.done(request).await?.stocks;
    let got: Vec<_> = stocks
        .iter()
        .map(|s| (s.book_id, s.quantity, s.reserved))
        .collect();
    ensure!(got == [(second, 16, 4), (first, 8, 2)], "{got:?}");
    settle(&clients, "b-sum").await
}

async fn batch_deduct_too_much(clients: Clients) -> anyhow::Result<()> {
    let (plenty, few) = (clients.stocked(1, 100).await?, clients.stocked(1, 1).await?);
    let request = batch_of("b-short", 1, &[(plenty, 1), (few, 2), (NOBODY, 1)]);
    let reply = clients.refused(request, 40100, SHORT.0, SHORT.1).await?;
    ensure!(
        reply.failed_book_id == few && reply.stocks.is_empty(),
        "{reply:?}"
    );
    // Two lines that fit alone, but not together.
    let summed = batch_of("b-short", 1, &[(few, 1), (few, 1)]);
    let reply = clients.refused(summed, 40100, SHORT.0, SHORT.1).await?;
    ensure!(reply.failed_book_id == few, "{reply:?}");
    // All or nothing, and the key may succeed later.
    ensure!(clients.stock_of(plenty).await? == (100, 0));
    clients
        .done(batch_of("b-short", 1, &[(plenty, 1), (few, 1)]))
        .await?;
    settle(&clients, "b-short").await
}

async fn batch_deduct_under_a_used_key(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (clients.stocked(1, 10).await?, clients.stocked(1, 10).await?);
    clients
        .done(batch_of("b-used", 1, &[(first, 2), (second, 1)]))
        .await?;
    conflict(&clients, batch_of("b-used", 1, &[(first, 2)])).await?;
    conflict(&clients, batch_of("b-used", 2, &[(first, 2), (second, 1)])).await?;
    // The same in another order and over several lines is the same.
    clients
        .done(batch_of(
            "b-used",
            1,
            &[(second, 1), (first, 1), (first, 1)],
        ))
        .await?;
    ensure!(clients.stock_of(first).await? == (8, 2));
    settle(&clients, "b-used").await
}

async fn batch_deduct_after_the_release(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(release_all_of("b-fenced")).await?;
    let late = batch_of("b-fenced", 1, &[(book, 1)]);
    clients.refused(late, 40904, FENCED.0, FENCED.1).await?;
    ensure!(clients.stock_of(book).await? == (10, 0));
    Ok(())
}

async fn batch_deduct_badly(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(
            batch_of("", ID_TOO_LARGE, &[]),
            &["idempotency_key", "reference_id", "items"],
        )
        .await?;
    let lines: Vec<_> = (1..=101).map(|book| (book, 1)).collect();
    clients
        .malformed(batch_of("b-bad", 1, &lines), &["items"])
        .await?;
    let bad = [(1, 1), (0, 1), (1, 0)];
    clients
        .malformed(
            batch_of("b-bad", 1, &bad),
            &["items[1].book_id", "items[2].quantity"],
        )
        .await
}

async fn batch_deduct_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    twice(&clients, batch_of("b-twice", 1, &[(book, 3)])).await?;
    ensure!(clients.stock_of(book).await? == (7, 3));
    settle(&clients, "b-twice").await
}
