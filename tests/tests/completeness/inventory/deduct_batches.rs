//! The cells of `DeductBatches`.

use anyhow::ensure;
use api::inventory::v1::{BatchDeductStockRequest, BatchDeductStockResponse, DeductBatchesRequest};
use bookstore_e2e::Clients;

use super::{CONFLICT, FENCED, SHORT, batch_of, release_all_of, settle, twice};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("DeductBatches", Success, deduct),
        cell("DeductBatches", Code(40100), deduct_too_much),
        cell("DeductBatches", Code(40901), deduct_under_a_used_key),
        cell("DeductBatches", Code(40904), deduct_after_the_release),
        cell("DeductBatches", BadInput, deduct_badly),
        cell("DeductBatches", Repeat, deduct_again),
    ]
}

fn request(batches: impl IntoIterator<Item = BatchDeductStockRequest>) -> DeductBatchesRequest {
    DeductBatchesRequest {
        batches: batches.into_iter().map(Into::into).collect(),
    }
}

/// Has `refused` refused between two batches that are carried out; answers its reply.
async fn refused_alone(
    clients: &Clients,
    refused: BatchDeductStockRequest,
    code: i32,
    messages: (&str, &str),
) -> anyhow::Result<BatchDeductStockResponse> {
    let book = clients.stocked(1, 10).await?;
    let keys = [("first", 2), ("last", 3)]
        .map(|(place, copies)| (format!("{}-{place}", refused.idempotency_key), copies));
    let [first, last] = keys
        .each_ref()
        .map(|(key, copies)| batch_of(key, 1, &[(book, *copies)]));
    let batches = request([first, refused, last]);
    let chinese = clients.done(batches.clone()).await?.replies;
    let english = clients.call_in(Some("en"), batches).await?.replies;
    for (replies, message) in [(&chinese, messages.0), (&english, messages.1)] {
        let codes: Vec<_> = replies.iter().map(|reply| reply.code).collect();
        ensure!(codes == [0, code, 0], "{replies:?}");
        ensure!(replies[1].message == message, "{replies:?}");
    }
    ensure!(clients.stock_of(book).await? == (5, 5));
    for (key, _) in keys {
        settle(clients, &key).await?;
    }
    Ok(chinese[1].clone())
}

async fn deduct(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (clients.stocked(1, 10).await?, clients.stocked(1, 20).await?);
    let batches = request([
        batch_of("m-1", 1, &[(first, 2), (second, 3)]),
        batch_of("m-2", 2, &[(first, 1)]),
    ]);
    let replies = clients.done(batches).await?.replies;
    let got: Vec<Vec<_>> = replies
        .iter()
        .map(|reply| {
            reply
                .stocks
                .iter()
                .map(|s| (s.book_id, s.quantity))
                .collect()
        })
        .collect();
    ensure!(
        got == [vec![(first, 8), (second, 17)], vec![(first, 7)]],
        "{got:?}"
    );
    settle(&clients, "m-1").await?;
    settle(&clients, "m-2").await
}

async fn deduct_too_much(clients: Clients) -> anyhow::Result<()> {
    let few = clients.stocked(1, 1).await?;
    let short = batch_of("m-short", 1, &[(few, 2)]);
    let reply = refused_alone(&clients, short, 40100, SHORT).await?;
    ensure!(reply.failed_book_id == few, "{reply:?}");
    Ok(())
}

async fn deduct_under_a_used_key(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(batch_of("m-used", 1, &[(book, 1)])).await?;
    let other = batch_of("m-used", 1, &[(book, 2)]);
    refused_alone(&clients, other, 40901, CONFLICT).await?;
    settle(&clients, "m-used").await
}

async fn deduct_after_the_release(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.done(release_all_of("m-fenced")).await?;
    let late = batch_of("m-fenced", 1, &[(book, 1)]);
    refused_alone(&clients, late, 40904, FENCED).await?;
    ensure!(clients.stock_of(book).await? == (10, 0));
    Ok(())
}

async fn deduct_badly(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    clients.malformed(request([]), &["batches"]).await?;
    let many = (0..129).map(|serial| batch_of(&format!("m-{serial}"), 1, &[(book, 1)]));
    clients.malformed(request(many), &["batches"]).await?;
    let batches = request([
        batch_of("m-bad", 1, &[(book, 1)]),
        batch_of("", ID_TOO_LARGE, &[]),
        batch_of("m-bad", 1, &[(book, 1), (0, 0)]),
    ]);
    let fields = [
        "batches[1].idempotency_key",
        "batches[1].reference_id",
        "batches[1].items",
        "batches[2].items[1].book_id",
        "batches[2].items[1].quantity",
    ];
    clients.malformed(batches, &fields).await?;
    // Nothing of any was carried out.
    ensure!(clients.stock_of(book).await? == (10, 0));
    Ok(())
}

async fn deduct_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(1, 10).await?;
    let batch = || batch_of("m-twice", 1, &[(book, 3)]);
    // By itself, with others, and twice in one call: taken once.
    clients.done(batch()).await?;
    twice(&clients, request([batch(), batch()])).await?;
    ensure!(clients.stock_of(book).await? == (7, 3));
    settle(&clients, "m-twice").await
}
