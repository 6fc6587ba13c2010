//! Proves: a service that is down makes the others neither wrong nor silent. Calls that need it say
//! so, and that a repeat is safe where it is; reads of orders need nobody; and what was promised
//! meanwhile is done when it is back.

use anyhow::{bail, ensure};
use api::Rpc;
use api::catalog::v1::GetBookRequest;
use api::order::v1::{GetOrderRequest, ListOrdersRequest};
use bookstore_e2e::goods::{
    CANCELLED, MONEY_RETURNED, PAID, PENDING, cancel, order, pay, pay_order,
};
use bookstore_e2e::{Clients, Layout, Service, Shop, System};
use std::time::Duration;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

#[tokio::test]
async fn without_inventory_orders_fail_safely_and_cancellations_are_kept() -> anyhow::Result<()> {
    lose_inventory(&mut alone().await?).await
}

#[tokio::test]
async fn without_catalog_nothing_is_ordered_and_nothing_is_held() -> anyhow::Result<()> {
    lose_catalog(&mut alone().await?).await
}

#[tokio::test]
async fn without_payment_orders_wait_and_refunds_are_kept() -> anyhow::Result<()> {
    lose_payment(&mut alone().await?).await
}

#[tokio::test]
async fn payments_made_without_the_order_service_reach_their_orders_later() -> anyhow::Result<()> {
    lose_order(&mut alone().await?).await
}

#[tokio::test]
async fn orders_can_be_read_while_all_others_are_down() -> anyhow::Result<()> {
    lose_all_but_order(&mut alone().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_are_down_with_both_replicas_are_missed_as_one_is() -> anyhow::Result<()> {
    let Some(mut system) = System::twice(&[]).await? else {
        return Ok(());
    };
    lose_inventory(&mut system).await?;
    lose_catalog(&mut system).await?;
    lose_payment(&mut system).await?;
    lose_order(&mut system).await?;
    lose_all_but_order(&mut system).await
}

async fn lose_inventory(shop: &mut System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    let pending = clients.place(1, &[(book, 2)]).await?;
    shop.kill_all_of(Service::Inventory)?;

    let keyed = order(1, &[(book, 1)], "while-down");
    let status = silence(&clients, keyed.clone()).await?;
    expect_retry_info(&status)?;
    // Cancelling needs no inventory: the release is written down and done later.
    clients.done(cancel(&pending.no)).await?;
    ensure!(clients.order_of(&pending.no).await?.status == CANCELLED);

    shop.start().await?;
    clients.until_stock_is(book, 10, 0).await;
    clients.done(keyed).await?;
    clients.until_stock_is(book, 9, 1).await;
    shop.expect_clean().await
}

async fn lose_catalog(shop: &mut System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    shop.kill_all_of(Service::Catalog)?;
    let keyed = order(1, &[(book, 1)], "no-catalog");
    expect_retry_info(&silence(&clients, keyed.clone()).await?)?;
    ensure!(clients.stock_of(book).await? == (10, 0));
    shop.start().await?;
    clients.done(keyed).await?;
    shop.expect_clean().await
}

async fn lose_payment(shop: &mut System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let paid = clients.paid().await?;
    let pending = clients.placed().await?;
    shop.kill_all_of(Service::Payment)?;

    expect_retry_info(&silence(&clients, pay_order(&pending.no)).await?)?;
    ensure!(clients.order_of(&pending.no).await?.status == PENDING);
    let cancelled = clients.cancel(&paid.no).await?;
    ensure!(cancelled.refund_no.starts_with("REFPAY"), "{cancelled:?}");

    shop.start().await?;
    clients.until_payment_is(paid.id, MONEY_RETURNED).await;
    clients.pay_until_accepted(&pending.no).await?;
    ensure!(clients.order_of(&pending.no).await?.status == PAID);
    shop.expect_clean().await
}

async fn lose_order(shop: &mut System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let (paid, wrong) = (clients.placed().await?, clients.placed().await?);
    shop.kill_all_of(Service::Order)?;
    clients.charge_until_accepted(paid.id, paid.total).await?;
    clients
        .charge_until_accepted(wrong.id, wrong.total + 1)
        .await?;
    shop.start().await?;
    clients.until_order_is(&paid.no, PAID).await;
    clients.until_order_is(&wrong.no, CANCELLED).await;
    clients.until_payment_is(wrong.id, MONEY_RETURNED).await;
    shop.expect_clean().await
}

async fn lose_all_but_order(shop: &mut System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    let user_id = 77;
    let placed = clients.place(user_id, &[(book, 1)]).await?;
    for service in [Service::Catalog, Service::Inventory, Service::Payment] {
        shop.kill_all_of(service)?;
    }
    let got = clients
        .done(GetOrderRequest {
            order_no: placed.no,
        })
        .await?;
    ensure!(got.order.is_some_and(|order| order.items.len() == 1));
    let mine = ListOrdersRequest {
        user_id,
        ..ListOrdersRequest::default()
    };
    ensure!(clients.done(mine).await?.total == 1);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_never_answers_holds_nobody_past_their_deadline() -> anyhow::Result<()> {
    let plan = Shop::plan()
        .set("PAYMENT__MOCK__HANG_RATE", "1")
        .set("PAYMENT__MOCK__SUCCESS_RATE", "1");
    let shop = plan.start(Layout::Together).await?;
    let clients = shop.clients()?;
    let placed = clients.placed().await?;
    let mut hasty = Request::new(pay(placed.id, placed.total));
    hasty.set_timeout(Duration::from_millis(300));
    match clients.send(hasty).await {
        Ok(reply) => bail!("{reply:?}"),
        Err(status) => {
            let codes = [Code::DeadlineExceeded, Code::Cancelled, Code::Unavailable];
            ensure!(codes.contains(&status.code()), "{status:?}");
        }
    }
    // What became of it is found out by asking the gateway, without anybody's help.
    clients.until_order_is(&placed.no, PAID).await;
    // Other services never noticed.
    ensure!(clients.call(GetBookRequest { book_id: 1 }).await.is_ok());
    shop.expect_clean().await
}

async fn alone() -> anyhow::Result<System> {
    System::alone(Layout::Apart, &[]).await
}

/// The call is not answered, because somebody is down or late.
async fn silence<M: Rpc>(clients: &Clients, request: M) -> anyhow::Result<Status> {
    match clients.call(request).await {
        Ok(reply) => bail!("{} answered {reply:?}", M::PATH),
        Err(status) => {
            let codes = [Code::Unavailable, Code::DeadlineExceeded];
            ensure!(codes.contains(&status.code()), "{}: {status:?}", M::PATH);
            Ok(status)
        }
    }
}

/// UNAVAILABLE says when to ask again, wherever asking again is safe.
fn expect_retry_info(status: &Status) -> anyhow::Result<()> {
    ensure!(status.code() == Code::Unavailable, "{status:?}");
    let details = status.get_error_details();
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    ensure!(delay.is_some_and(|delay| !delay.is_zero()), "{status:?}");
    Ok(())
}
