//! Before and after: puts books and stock in place, takes the books out again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use api::catalog::v1::{
    BatchGetBooksRequest, PublishBookRequest, SearchBooksRequest, UnpublishBookRequest,
};
use api::inventory::v1::RestockInventoryRequest;
use futures::{StreamExt, TryStreamExt, stream};
use platform::clock::pause;
use platform::deadline::Deadline;
use types::Code;

use super::call::{Miss, accepted, ask};
use super::market::Market;
use super::verify::{Balance, IDS_MAX, read_balances, unread};
use crate::clients::Clients;

/// How many books are put in place at the same time.
const BOOKS_AT_ONCE: usize = 64;
/// More copies than any run can sell.
const PLENTY: i32 = 500_000_000;
/// How long the index may take to know the books; it promises a second.
const INDEX_LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Puts books and stock in place; answers the balances that the run begins with.
///
/// `published` is how many ranks it got to, in order, also where it is dropped in the midst of it.
pub(super) async fn put_in_place(
    market: &Market,
    clients: &Clients,
    published: &mut u32,
) -> anyhow::Result<BTreeMap<u32, Balance>> {
    let scenario = market.plan.scenario;
    if scenario.needs_books() {
        publish_books(market, clients, published).await?;
    }
    if !scenario.takes_stock() {
        return Ok(BTreeMap::new());
    }
    stock_books(market, clients).await?;
    read_balances(market, clients).await
}

/// Publishes the books that are not there, and waits until they can be found.
async fn publish_books(
    market: &Market,
    clients: &Clients,
    published: &mut u32,
) -> anyhow::Result<()> {
    let (shelf, limit) = (market.shelf, market.plan.timeout);
    let there = if shelf.is_lasting() {
        find_books(market, clients).await?
    } else {
        BTreeSet::new()
    };
    let missing = (0..shelf.books()).filter(|rank| !there.contains(&shelf.id(*rank)));
    let publishing = stream::iter(missing).map(|rank| {
        *published = rank + 1;
        let mut catalog = clients.catalog.clone();
        let request = PublishBookRequest {
            book: Some(shelf.book(rank)),
        };
        async move {
            let answer = ask(limit, request, |r| catalog.publish_book(r)).await;
            match accepted(answer) {
                // Another run puts the same books in place at the same time.
                Err(Miss::Refused(code)) if code == Code::BookIdExists.number() => Ok(()),
                answer => answer.map(|_| ()),
            }
        }
    });
    let publishing = publishing.buffer_unordered(BOOKS_AT_ONCE);
    let ended = publishing.try_for_each(|()| async { Ok(()) }).await;
    ended.map_err(|miss| unread("PublishBook", miss))?;
    if market.plan.scenario.searches() {
        wait_for_index(market, clients).await?;
    }
    Ok(())
}

async fn find_books(market: &Market, clients: &Clients) -> anyhow::Result<BTreeSet<u64>> {
    let (shelf, limit) = (market.shelf, market.plan.timeout);
    let mut there = BTreeSet::new();
    for book_ids in shelf.ids().chunks(IDS_MAX) {
        let request = BatchGetBooksRequest {
            book_ids: book_ids.to_vec(),
        };
        let mut catalog = clients.catalog.clone();
        let answer = ask(limit, request, |r| catalog.batch_get_books(r)).await;
        let reply = accepted(answer).map_err(|miss| unread("BatchGetBooks", miss))?;
        there.extend(reply.books.iter().map(|book| book.id));
    }
    Ok(there)
}

async fn wait_for_index(market: &Market, clients: &Clients) -> anyhow::Result<()> {
    let (shelf, limit) = (market.shelf, market.plan.timeout);
    let deadline = Deadline::after(INDEX_LIMIT);
    let mut catalog = clients.catalog.clone();
    loop {
        let request = SearchBooksRequest {
            keyword: shelf.label(),
            page: 1,
            page_size: 1,
        };
        let answer = ask(limit, request, |r| catalog.search_books(r)).await;
        let reply = accepted(answer).map_err(|miss| unread("SearchBooks", miss))?;
        if reply.total >= i64::from(shelf.books()) {
            return Ok(());
        }
        ensure!(
            !deadline.has_passed(),
            "SearchBooks finds {} of {} books that were published",
            reply.total,
            shelf.books()
        );
        pause(LOOK_EVERY).await;
    }
}

/// Stocks the books: of one on sale as many copies as asked for, plenty of all others.
async fn stock_books(market: &Market, clients: &Clients) -> anyhow::Result<()> {
    let (shelf, limit) = (market.shelf, market.plan.timeout);
    let stocked = stream::iter(0..shelf.books()).map(|rank| {
        let mut inventory = clients.inventory.clone();
        let on_sale = market.plan.stock().filter(|_| rank == 0);
        let request = RestockInventoryRequest {
            book_id: shelf.id(rank),
            quantity: on_sale.unwrap_or(PLENTY),
            idempotency_key: shelf.key(&format!("stock-{rank}")),
        };
        async move {
            let answer = ask(limit, request, |r| inventory.restock_inventory(r)).await;
            accepted(answer).map(|_| ())
        }
    });
    let stocked = stocked.buffer_unordered(BOOKS_AT_ONCE);
    let stocked = stocked.try_for_each(|()| async { Ok(()) }).await;
    stocked
        .map_err(|miss| unread("RestockInventory", miss))
        .context("the books of the run cannot be stocked")
}

/// Takes the books that were `published` for this run alone out of lists and searches again; what cannot be
/// taken out stays.
pub(super) async fn take_down(market: &Market, clients: &Clients, published: u32) {
    let (shelf, limit) = (market.shelf, market.plan.timeout);
    if shelf.is_lasting() {
        return;
    }
    let taken = stream::iter(0..published).map(|rank| {
        let mut catalog = clients.catalog.clone();
        let request = UnpublishBookRequest {
            book_id: shelf.id(rank),
        };
        async move { ask(limit, request, |r| catalog.unpublish_book(r)).await }
    });
    let taken = taken.buffer_unordered(BOOKS_AT_ONCE);
    // The first failure is enough to know that the shop is gone.
    if let Err(failure) = taken.try_for_each(|_| async { Ok(()) }).await {
        tracing::warn!(%failure, "the books of the run stay in the shop");
    }
}
