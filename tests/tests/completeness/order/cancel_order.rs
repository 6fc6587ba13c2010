//! The cells of `CancelOrder`.

use anyhow::ensure;
use api::order::v1::{CancelOrderRequest, CompleteOrderRequest};
use bookstore_e2e::Clients;
use bookstore_e2e::goods::{CANCELLED, MONEY_RETURNED, MONEY_TAKEN, PENDING, cancel};

use super::{NO_ORDER, NOBODY, illegal};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("CancelOrder", Success, cancel_orders),
        cell("CancelOrder", Code(40401), cancel_no_order),
        cell("CancelOrder", Code(40900), cancel_shipped_order),
        cell("CancelOrder", BadInput, cancel_bad_orders),
        cell("CancelOrder", Repeat, cancel_order_again),
    ]
}

async fn cancel_orders(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(100, 10).await?;
    let pending = clients.place(1, &[(book, 2)]).await?;
    ensure!(clients.cancel(&pending.no).await?.refund_no.is_empty());
    let got = clients.until_order_is(&pending.no, CANCELLED).await;
    ensure!(got.cancel_reason == "changed my mind", "{got:?}");
    clients.until_stock_is(book, 10, 0).await;

    let paid = clients.place(1, &[(book, 2)]).await?;
    let payment = clients.pay_until_accepted(&paid.no).await?;
    let reply = clients.cancel(&paid.no).await?;
    ensure!(
        reply.refund_no == format!("REF{}", payment.payment_no),
        "{reply:?}"
    );
    clients.until_payment_is(paid.id, MONEY_RETURNED).await;
    clients.until_stock_is(book, 10, 0).await;
    Ok(())
}

async fn cancel_no_order(clients: Clients) -> anyhow::Result<()> {
    clients
        .refused(cancel(NOBODY), 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    Ok(())
}

async fn cancel_shipped_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.shipped().await?;
    illegal(&clients, cancel(&placed.no), "SHIPPED", "CANCELLED").await?;
    clients
        .done(CompleteOrderRequest {
            order_no: placed.no.clone(),
        })
        .await?;
    illegal(&clients, cancel(&placed.no), "COMPLETED", "CANCELLED").await?;
    ensure!(
        clients
            .until_payment_is(placed.id, MONEY_TAKEN)
            .await
            .amount
            == placed.total
    );
    Ok(())
}

async fn cancel_bad_orders(clients: Clients) -> anyhow::Result<()> {
    let cancel = |order_no: &str, reason: &str| CancelOrderRequest {
        order_no: order_no.to_owned(),
        reason: reason.to_owned(),
    };
    let long = "因".repeat(201);
    clients
        .malformed(cancel("", &long), &["order_no", "reason"])
        .await?;
    let placed = clients.placed().await?;
    clients
        .malformed(cancel(&placed.no, "nul \0"), &["reason"])
        .await?;
    ensure!(clients.order_of(&placed.no).await?.status == PENDING);
    clients.done(cancel(&placed.no, &"因".repeat(200))).await?;
    Ok(())
}

async fn cancel_order_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.paid().await?;
    let first = clients.cancel(&placed.no).await?;
    ensure!(
        !first.refund_no.is_empty() && clients.cancel(&placed.no).await? == first,
        "{first:?}"
    );
    let pending = clients.cancelled().await?;
    ensure!(clients.cancel(&pending.no).await?.refund_no.is_empty());
    Ok(())
}
