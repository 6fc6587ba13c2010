//! Proves: many at once change things exactly as often as one after another would. A hot book is
//! never oversold, one key has one effect and one answer, and of pay against cancel nobody keeps
//! both the money and the goods.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::ensure;
use api::Rpc;
use api::inventory::v1::{DeductStockRequest, RestockInventoryRequest};
use api::order::v1::ListOrdersRequest;
use bookstore_e2e::goods::{CANCELLED, MONEY_TAKEN, cancel, order, pay, pay_order};
use bookstore_e2e::{Clients, Shop};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};

/// How many ask at once under one key.
const TWINS: usize = 32;
/// How many buyers there are for the hot book.
const BUYERS: u64 = 64;
/// How often payment and cancellation race.
const DUELS: u32 = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_buyers_never_oversell_one_hot_book() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    let copies = 500;
    let book_id = clients.stocked(1000, copies).await?;
    // Each buyer on a connection of its own, until the shelf is empty.
    let buyers = (1..=BUYERS).map(|user_id| {
        let clients = shop.clients();
        async move { buy_until_sold_out(&clients?, user_id, book_id).await }
    });
    let bought: usize = try_join_all(buyers).await?.into_iter().sum();
    ensure!(
        bought == usize::try_from(copies)?,
        "{bought} orders for {copies} copies"
    );
    ensure!(clients.stock_of(book_id).await? == (0, copies));
    let all = ListOrdersRequest {
        page_size: 1,
        ..ListOrdersRequest::default()
    };
    ensure!(clients.done(all).await?.total == i64::from(copies));
    shop.expect_clean().await
}

async fn buy_until_sold_out(
    clients: &Clients,
    user_id: u64,
    book_id: u64,
) -> anyhow::Result<usize> {
    let mut bought = 0;
    loop {
        let reply = clients.call(order(user_id, &[(book_id, 1)], "")).await?;
        match reply.code {
            0 => bought += 1,
            40100 => return Ok(bought),
            _ => anyhow::bail!("{reply:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_twins_have_one_effect_and_one_answer() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    let book_id = clients.stocked(1000, 100).await?;

    let restock = RestockInventoryRequest {
        book_id,
        quantity: 7,
        idempotency_key: "twin-restock".to_owned(),
    };
    ensure!(one_answer(&shop, restock).await?.new_quantity == 107);
    let deduct = DeductStockRequest {
        book_id,
        quantity: 7,
        reference_id: 9,
        idempotency_key: "twin-deduct".to_owned(),
    };
    ensure!(one_answer(&shop, deduct).await?.remaining_quantity == 100);
    ensure!(clients.stock_of(book_id).await? == (100, 7));

    let created = one_answer(&shop, order(77, &[(book_id, 3)], "twin-order")).await?;
    ensure!(created.code == 0, "{created:?}");
    let mine = ListOrdersRequest {
        user_id: 77,
        ..ListOrdersRequest::default()
    };
    ensure!(clients.done(mine).await?.total == 1);
    ensure!(clients.stock_of(book_id).await? == (97, 10));
    shop.expect_clean().await
}

/// Sends the same request 32 times at once, each over a connection of its own; all must hear the same.
async fn one_answer<M: Rpc>(shop: &Shop, message: M) -> anyhow::Result<M::Reply> {
    let twins = (0..TWINS).map(|_| {
        let (clients, message) = (shop.clients(), message.clone());
        async move { anyhow::Ok(clients?.call(message).await?) }
    });
    let mut answers = try_join_all(twins).await?;
    let first = answers.swap_remove(0);
    ensure!(
        answers.iter().all(|answer| *answer == first),
        "{first:?} and {answers:?}"
    );
    Ok(first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_payments_at_once_charge_once() -> anyhow::Result<()> {
    // A slow gateway keeps the first payment in flight while the others arrive.
    let plan = Shop::plan()
        .set("PAYMENT__MOCK__SUCCESS_RATE", "1")
        .set("PAYMENT__MOCK__LATENCY", "50ms");
    let shop = plan.start(bookstore_e2e::Layout::Together).await?;
    let clients = shop.clients()?;
    let placed = clients.placed().await?;
    let twins = (0..TWINS).map(|turn| {
        let (clients, placed) = (shop.clients(), placed.clone());
        async move {
            let clients = clients?;
            // Half of them at the payment service itself, half through the order.
            let payment_no = if turn.is_multiple_of(2) {
                clients.done(pay(placed.id, placed.total)).await?.payment_no
            } else {
                clients.done(pay_order(&placed.no)).await?.payment_no
            };
            anyhow::Ok(payment_no)
        }
    });
    let numbers: BTreeSet<String> = try_join_all(twins).await?.into_iter().collect();
    ensure!(numbers.len() == 1, "charged as {numbers:?}");

    // The feed tells each charge that was ever settled; another order's marks its end.
    let marker = clients.paid().await?;
    let events = clients
        .payment_events(0, |event| event.order_id == marker.id)
        .await?;
    let charges = events
        .iter()
        .filter(|e| e.order_id == placed.id && e.status == MONEY_TAKEN);
    ensure!(charges.count() == 1, "{events:?}");
    shop.expect_clean().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pay_against_cancel_never_keeps_both_money_and_goods() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = Arc::new(shop.clients()?);
    let copies = 2000;
    let book_id = clients.stocked(1000, copies).await?;
    let duels = stream::iter(0..DUELS).map(|turn| {
        let clients = Arc::clone(&clients);
        async move { duel(&clients, book_id, turn).await }
    });
    duels.buffer_unordered(32).try_collect::<Vec<()>>().await?;

    // Cancelling wins in the end, before the payment or after it: no copy and no fen is kept.
    clients.until_stock_is(book_id, copies, 0).await;
    shop.expect_clean().await?;
    let mut page = 0;
    let mut seen = 0;
    loop {
        page += 1;
        let request = ListOrdersRequest {
            page,
            page_size: 100,
            ..ListOrdersRequest::default()
        };
        let orders = clients.done(request).await?.orders;
        if orders.is_empty() {
            break;
        }
        for order in orders {
            ensure!(order.status == CANCELLED, "{order:?}");
            clients.until_no_money_is_held(order.id).await;
            seen += 1;
        }
    }
    ensure!(seen == DUELS, "{seen} orders");
    Ok(())
}

/// One order, paid and cancelled at the same time.
async fn duel(clients: &Clients, book_id: u64, turn: u32) -> anyhow::Result<()> {
    let placed = clients.place(u64::from(turn) + 1, &[(book_id, 1)]).await?;
    let paying = async {
        if turn.is_multiple_of(4) {
            // Past the order service: it hears of the money by the feed.
            let reply = clients.call(pay(placed.id, placed.total)).await?;
            anyhow::Ok(reply.code)
        } else {
            Ok(clients.call(pay_order(&placed.no)).await?.code)
        }
    };
    let cancelling = async { anyhow::Ok(clients.call(cancel(&placed.no)).await?) };
    // Each of both starts first in every other duel.
    let (paid, cancelled) = if turn.is_multiple_of(2) {
        futures::future::try_join(paying, cancelling).await?
    } else {
        let (cancelled, paid) = futures::future::try_join(cancelling, paying).await?;
        (paid, cancelled)
    };
    ensure!(cancelled.code == 0, "{cancelled:?}");
    // Paid, refused by the mock or refunded already, or too late.
    ensure!([0, 1, 40900].contains(&paid), "payment answered {paid}");
    Ok(())
}
