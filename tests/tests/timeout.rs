//! Proves: an order that is not paid in time is cancelled once, and its stock is free again, also
//! where the system was down at the deadline; and money that arrives late, wrong or for nothing is
//! given back by itself.

use anyhow::{Context, bail, ensure};
use api::inventory::v1::GetStockRequest;
use api::order::v1::ListOrdersRequest;
use api::payment::v1::RefundRequest;
use bookstore_e2e::goods::{CANCELLED, MONEY_RETURNED, MONEY_TAKEN, PAID, SHIPPED, pay, pay_order};
use bookstore_e2e::{Clients, Layout, System};
use futures::future::try_join_all;
use platform::clock::{Clock, SystemClock};
use testkit::eventually;

/// Customers have one second to pay.
const IMPATIENT: (&str, &str) = ("ORDER__PAYMENT_TIMEOUT", "1s");

async fn impatient() -> anyhow::Result<System> {
    System::alone(Layout::Together, &[IMPATIENT]).await
}

/// Customers have their time.
async fn patient() -> anyhow::Result<System> {
    System::alone(Layout::Together, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_are_kept_by_two_replicas_as_by_one() -> anyhow::Result<()> {
    let Some(mut shop) = System::twice(&[IMPATIENT]).await? else {
        return Ok(());
    };
    expire_once(&shop).await?;
    expire_after_a_night(&mut shop).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_should_not_be_is_given_back_by_two_replicas_as_by_one() -> anyhow::Result<()> {
    let Some(shop) = System::twice(&[]).await? else {
        return Ok(());
    };
    return_late_money(&shop).await?;
    return_wrong_money(&shop).await?;
    return_strange_money(&shop).await?;
    follow_refunds(&shop).await
}

#[tokio::test]
async fn an_unpaid_order_is_cancelled_once_and_its_stock_is_free_again() -> anyhow::Result<()> {
    expire_once(&impatient().await?).await
}

async fn expire_once(shop: &System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    let before = version_of(&clients, book).await?;
    let placed = clients.place(1, &[(book, 3)]).await?;
    let cancelled = clients.until_order_is(&placed.no, CANCELLED).await;
    ensure!(!cancelled.cancel_reason.is_empty(), "{cancelled:?}");
    clients.until_stock_is(book, 10, 0).await;
    // Too late to pay, and nobody is charged.
    clients
        .said(
            pay_order(&placed.no),
            None,
            40900,
            "不允许从 CANCELLED 转换到 PAID",
        )
        .await?;
    ensure!(clients.payment_of(placed.id).await?.is_none());
    shop.expect_clean().await?;
    // The ledger knows of one deduction and one release.
    ensure!(version_of(&clients, book).await? == before + 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_orders_that_fall_due_at_once_are_all_cancelled() -> anyhow::Result<()> {
    let shop = impatient().await?;
    let clients = shop.clients()?;
    let (book, orders) = (clients.stocked(100, 1000).await?, 300);
    let before = version_of(&clients, book).await?;
    let basket = [(book, 1)];
    try_join_all((1..=orders).map(|_| clients.place(1, &basket))).await?;
    eventually("every order cancelled", || async {
        let cancelled = ListOrdersRequest {
            status: CANCELLED,
            ..ListOrdersRequest::default()
        };
        let total = clients.done(cancelled).await.ok()?.total;
        (total == i64::from(orders)).then_some(())
    })
    .await;
    clients.until_stock_is(book, 1000, 0).await;
    shop.expect_clean().await?;
    ensure!(version_of(&clients, book).await? == before + 2 * orders);
    Ok(())
}

#[tokio::test]
async fn an_order_that_fell_due_while_the_system_was_down_is_cancelled_at_its_start()
-> anyhow::Result<()> {
    for layout in [Layout::Together, Layout::Apart] {
        expire_after_a_night(&mut System::alone(layout, &[IMPATIENT]).await?).await?;
    }
    Ok(())
}

async fn expire_after_a_night(shop: &mut System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    let placed = clients.place(1, &[(book, 3)]).await?;
    let expire_at = clients.order_of(&placed.no).await?.expire_at;
    shop.kill()?;
    // The wire tells whole seconds.
    eventually("the deadline to pass", || async {
        (SystemClock.now().get() > (expire_at + 1) * 1000).then_some(())
    })
    .await;
    shop.start().await?;
    let clients = shop.clients()?;
    clients.until_order_is(&placed.no, CANCELLED).await;
    clients.until_stock_is(book, 10, 0).await;
    shop.expect_clean().await
}

#[tokio::test]
async fn a_payment_in_flight_does_not_hold_the_deadline_up_and_is_refunded() -> anyhow::Result<()> {
    // The money arrives after the deadline.
    let slow = ("PAYMENT__MOCK__LATENCY", "1900ms");
    let shop = System::alone(Layout::Together, &[IMPATIENT, slow]).await?;
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    let placed = clients.place(1, &[(book, 1)]).await?;
    let reply = clients.call(pay_order(&placed.no)).await?;
    ensure!(reply.code == 40900, "{reply:?}");
    clients.until_order_is(&placed.no, CANCELLED).await;
    clients.until_payment_is(placed.id, MONEY_RETURNED).await;
    clients.until_stock_is(book, 10, 0).await;
    shop.expect_clean().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_that_arrive_at_the_deadline_end_as_order_or_as_refund() -> anyhow::Result<()> {
    // Each payment takes about as long as the order may wait: either may come first.
    let as_slow = ("PAYMENT__MOCK__LATENCY", "950ms");
    let shop = System::alone(Layout::Together, &[IMPATIENT, as_slow]).await?;
    let clients = shop.clients()?;
    let book = clients.stocked(100, 100).await?;
    let races = (0..60).map(|turn: u32| {
        let clients = clients.clone();
        async move {
            let placed = clients.place(1, &[(book, 1)]).await?;
            // Half of them past the order service.
            let code = if turn.is_multiple_of(2) {
                clients.call(pay_order(&placed.no)).await?.code
            } else {
                clients.call(pay(placed.id, placed.total)).await?.code
            };
            ensure!([0, 1, 40900].contains(&code), "payment answered {code}");
            anyhow::Ok(placed)
        }
    });
    let placed = try_join_all(races).await?;
    shop.expect_clean().await?;
    let mut kept = 0;
    for placed in placed {
        let order = clients.order_of(&placed.no).await?;
        match order.status {
            PAID => {
                let payment = clients.payment_of(placed.id).await?.context("never paid")?;
                ensure!(payment.status == MONEY_TAKEN, "{order:?} {payment:?}");
                kept += 1;
            }
            CANCELLED => clients.until_no_money_is_held(placed.id).await,
            _ => bail!("{order:?}"),
        }
    }
    clients.until_stock_is(book, 100 - kept, kept).await;
    Ok(())
}

#[tokio::test]
async fn money_for_a_cancelled_order_goes_back_by_itself() -> anyhow::Result<()> {
    return_late_money(&patient().await?).await
}

async fn return_late_money(shop: &System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let placed = clients.cancelled().await?;
    clients
        .charge_until_accepted(placed.id, placed.total)
        .await?;
    clients.until_payment_is(placed.id, MONEY_RETURNED).await;
    ensure!(clients.order_of(&placed.no).await?.status == CANCELLED);
    shop.expect_clean().await
}

#[tokio::test]
async fn a_wrong_amount_goes_back_and_cancels_the_order() -> anyhow::Result<()> {
    return_wrong_money(&patient().await?).await
}

async fn return_wrong_money(shop: &System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    for wrong in [99, 101] {
        let placed = clients.place(1, &[(book, 1)]).await?;
        clients.charge_until_accepted(placed.id, wrong).await?;
        clients.until_order_is(&placed.no, CANCELLED).await;
        clients.until_payment_is(placed.id, MONEY_RETURNED).await;
    }
    clients.until_stock_is(book, 10, 0).await;
    shop.expect_clean().await
}

#[tokio::test]
async fn money_for_no_order_goes_back() -> anyhow::Result<()> {
    return_strange_money(&patient().await?).await
}

async fn return_strange_money(shop: &System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let nobody = 1 << 45;
    clients.charge_until_accepted(nobody, 500).await?;
    clients.until_payment_is(nobody, MONEY_RETURNED).await;
    shop.expect_clean().await
}

#[tokio::test]
async fn a_direct_refund_cancels_what_was_paid_and_leaves_what_was_shipped() -> anyhow::Result<()> {
    follow_refunds(&patient().await?).await
}

async fn follow_refunds(shop: &System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    let paid = clients.place(1, &[(book, 2)]).await?;
    clients.pay_until_accepted(&paid.no).await?;
    clients.done(RefundRequest { order_id: paid.id }).await?;
    clients.until_order_is(&paid.no, CANCELLED).await;
    clients.until_stock_is(book, 10, 0).await;

    let shipped = clients.shipped().await?;
    clients
        .done(RefundRequest {
            order_id: shipped.id,
        })
        .await?;
    // A later event of the feed has been followed, so this one has been, too.
    let marker = clients.placed().await?;
    clients
        .charge_until_accepted(marker.id, marker.total)
        .await?;
    clients.until_order_is(&marker.no, PAID).await;
    ensure!(clients.order_of(&shipped.no).await?.status == SHIPPED);
    shop.expect_clean().await
}

/// Grows by one with every change of a book's balance.
async fn version_of(clients: &Clients, book_id: u64) -> anyhow::Result<i32> {
    let stock = clients.done(GetStockRequest { book_id }).await?.stock;
    Ok(stock.context("no stock")?.version)
}
