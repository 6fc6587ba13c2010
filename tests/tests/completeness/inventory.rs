//! The inventory's cells.

use anyhow::{Context, ensure};
use api::inventory::v1::{
    BatchDeductStockRequest, BatchGetStockRequest, BatchReleaseStockRequest, CommitStockRequest,
    DeductStockRequest, GetStockRequest, ReleaseStockRequest, RestockInventoryRequest, StockItem,
};
use bookstore_e2e::Clients;

use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell, key_too_long};

/// A book that nobody ever stocked.
const NOBODY: u64 = 1 << 51;

const CONFLICT: (&str, &str) = ("幂等键冲突", "idempotency key conflict");
const SHORT: (&str, &str) = ("库存不足", "insufficient stock");
const FENCED: (&str, &str) = ("该扣减已被取消", "deduction was cancelled");
const NO_RECORD: (&str, &str) = ("库存记录不存在", "stock record not found");

pub(crate) fn cells() -> Vec<Cell> {
    vec![
        cell("RestockInventory", Success, restock),
        cell("RestockInventory", Code(40901), restock_under_a_used_key),
        cell("RestockInventory", BadInput, restock_badly),
        cell("RestockInventory", Repeat, restock_again),
        cell("GetStock", Success, get_stock),
        cell("GetStock", Code(40402), get_no_stock),
        cell("GetStock", BadInput, get_bad_stock),
        cell("GetStock", Repeat, get_stock_again),
        cell("BatchGetStock", Success, batch_get_stock),
        cell("BatchGetStock", BadInput, batch_get_bad_stock),
        cell("BatchGetStock", Repeat, batch_get_stock_again),
        cell("DeductStock", Success, deduct),
        cell("DeductStock", Code(40100), deduct_too_much),
        cell("DeductStock", Code(40901), deduct_under_a_used_key),
        cell("DeductStock", Code(40904), deduct_after_the_release),
        cell("DeductStock", BadInput, deduct_badly),
        cell("DeductStock", Repeat, deduct_again),
        cell("ReleaseStock", Success, release),
        cell("ReleaseStock", Code(40402), release_without_a_record),
        cell("ReleaseStock", Code(40901), release_under_a_used_key),
        cell("ReleaseStock", Code(40902), release_too_much),
        cell("ReleaseStock", BadInput, release_badly),
        cell("ReleaseStock", Repeat, release_again),
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
        cell("BatchReleaseStock", Success, batch_release),
        cell("BatchReleaseStock", Code(40901), batch_release_of_a_restock),
        cell("BatchReleaseStock", BadInput, batch_release_badly),
        cell("BatchReleaseStock", Repeat, batch_release_again),
        cell("CommitStock", Success, commit),
        cell("CommitStock", Code(40901), commit_of_a_restock),
        cell("CommitStock", BadInput, commit_badly),
        cell("CommitStock", Repeat, commit_again),
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

/// Ends a hold: one that is left belongs to no order, and the auditor would ask whose it is.
async fn settle(clients: &Clients, key: &str) -> anyhow::Result<()> {
    clients.done(commit_of(key)).await?;
    Ok(())
}

/// The same request twice answers the same twice.
async fn twice<M: bookstore_e2e::Rpc>(clients: &Clients, request: M) -> anyhow::Result<()> {
    let first = clients.done(request.clone()).await?;
    let second = clients.done(request).await?;
    ensure!(first == second, "{first:?}, then {second:?}");
    Ok(())
}

async fn conflict<M: bookstore_e2e::Rpc>(clients: &Clients, request: M) -> anyhow::Result<()> {
    clients
        .refused(request, 40901, CONFLICT.0, CONFLICT.1)
        .await?;
    Ok(())
}

fn restock_of(book_id: u64, quantity: i32, key: &str) -> RestockInventoryRequest {
    RestockInventoryRequest {
        book_id,
        quantity,
        idempotency_key: key.to_owned(),
    }
}

fn deduct_of(book_id: u64, quantity: i32, reference_id: u64, key: &str) -> DeductStockRequest {
    DeductStockRequest {
        book_id,
        quantity,
        reference_id,
        idempotency_key: key.to_owned(),
    }
}

fn release_of(book_id: u64, quantity: i32, reference_id: u64, key: &str) -> ReleaseStockRequest {
    ReleaseStockRequest {
        book_id,
        quantity,
        reference_id,
        idempotency_key: key.to_owned(),
    }
}

fn batch_of(key: &str, reference_id: u64, items: &[(u64, i32)]) -> BatchDeductStockRequest {
    let items = items
        .iter()
        .map(|&(book, quantity)| item(book, quantity))
        .collect();
    BatchDeductStockRequest {
        idempotency_key: key.to_owned(),
        reference_id,
        items,
    }
}

fn release_all_of(key: &str) -> BatchReleaseStockRequest {
    BatchReleaseStockRequest {
        idempotency_key: key.to_owned(),
    }
}

fn commit_of(key: &str) -> CommitStockRequest {
    CommitStockRequest {
        idempotency_key: key.to_owned(),
    }
}

const fn item(book_id: u64, quantity: i32) -> StockItem {
    StockItem { book_id, quantity }
}
