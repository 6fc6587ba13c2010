//! Before and after: greets the services, puts books and stock in place, takes the books out again.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use api::catalog::v1::{
    BatchGetBooksRequest, ListBooksRequest, PublishBookRequest, SearchBooksRequest,
    UnpublishBookRequest,
};
use api::inventory::v1::{BatchGetStockRequest, RestockInventoryRequest};
use api::order::v1::ListOrdersRequest;
use api::payment::v1::GetPaymentStatusRequest;
use futures::{StreamExt, TryStreamExt, stream};
use platform::clock::pause;
use platform::deadline::Deadline;
use types::Code;

use super::call::{Failure, Miss, accepted, ask};
use super::scenario::Scenario;
use super::shelf::Shelf;
use super::verify::{IDS_MAX, unread};
use crate::clients::Clients;

/// How long a service may take to show that it is there.
const GREET_LIMIT: Duration = Duration::from_secs(3);
/// How many books are put in place at the same time.
const BOOKS_AT_ONCE: usize = 64;
/// More copies than any run can sell.
const PLENTY: i32 = 500_000_000;
/// How long the index may take to know the books; it promises a second.
const INDEX_LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Asks the services that the scenario needs whether they are there.
///
/// # Errors
/// The first one that is not, and why.
pub(super) async fn greet(
    scenario: Scenario,
    clients: &mut Clients,
) -> Result<(), (&'static str, Failure)> {
    let limit = GREET_LIMIT;
    if scenario.needs_books() {
        let page = ListBooksRequest {
            page: 1,
            page_size: 1,
        };
        let greeted = ask(limit, page, |r| clients.catalog.list_books(r)).await;
        greeted.map_err(|failure| ("catalog", failure))?;
    }
    if scenario.takes_stock() {
        let nothing = BatchGetStockRequest::default();
        let greeted = ask(limit, nothing, |r| clients.inventory.batch_get_stock(r)).await;
        greeted.map_err(|failure| ("inventory", failure))?;
    }
    if scenario.makes_orders() {
        let page = ListOrdersRequest {
            page_size: 1,
            ..ListOrdersRequest::default()
        };
        let greeted = ask(limit, page, |r| clients.order.list_orders(r)).await;
        greeted.map_err(|failure| ("order", failure))?;
        let any = GetPaymentStatusRequest { order_id: 1 };
        let greeted = ask(limit, any, |r| clients.payment.get_payment_status(r)).await;
        greeted.map_err(|failure| ("payment", failure))?;
    }
    Ok(())
}

/// Publishes the books of `shelf` that are not there, and waits until they can be found.
pub(super) async fn publish_books(
    scenario: Scenario,
    shelf: Shelf,
    clients: &Clients,
    limit: Duration,
) -> anyhow::Result<()> {
    let there = if shelf.is_lasting() {
        find_books(shelf, clients, limit).await?
    } else {
        BTreeSet::new()
    };
    let missing = (0..shelf.books()).filter(|rank| !there.contains(&shelf.id(*rank)));
    let published = stream::iter(missing).map(|rank| {
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
    let published = published.buffer_unordered(BOOKS_AT_ONCE);
    let published = published.try_for_each(|()| async { Ok(()) }).await;
    published.map_err(|miss| unread("PublishBook", miss))?;
    if scenario.searches() {
        wait_for_index(shelf, clients, limit).await?;
    }
    Ok(())
}

async fn find_books(
    shelf: Shelf,
    clients: &Clients,
    limit: Duration,
) -> anyhow::Result<BTreeSet<u64>> {
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

async fn wait_for_index(shelf: Shelf, clients: &Clients, limit: Duration) -> anyhow::Result<()> {
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

/// Stocks the books of `shelf`: `first` copies of the first, plenty of all others.
pub(super) async fn stock_books(
    shelf: Shelf,
    first: Option<i32>,
    clients: &Clients,
    limit: Duration,
) -> anyhow::Result<()> {
    let stocked = stream::iter(0..shelf.books()).map(|rank| {
        let mut inventory = clients.inventory.clone();
        let quantity = first.filter(|_| rank == 0).unwrap_or(PLENTY);
        let request = RestockInventoryRequest {
            book_id: shelf.id(rank),
            quantity,
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

/// Takes the books of `shelf` out of lists and searches again; what cannot be taken out stays.
pub(super) async fn take_down(shelf: Shelf, clients: &Clients, limit: Duration) {
    let taken = stream::iter(shelf.ids()).map(|book_id| {
        let mut catalog = clients.catalog.clone();
        async move {
            let request = UnpublishBookRequest { book_id };
            ask(limit, request, |r| catalog.unpublish_book(r)).await
        }
    });
    let taken = taken.buffer_unordered(BOOKS_AT_ONCE);
    // The first failure is enough to know that the shop is gone.
    if let Err(failure) = taken.try_for_each(|_| async { Ok(()) }).await {
        tracing::warn!(%failure, "the books of the run stay in the shop");
    }
}
