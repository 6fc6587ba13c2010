//! The cells of `CompleteOrder`.

use anyhow::ensure;
use bookstore_e2e::Clients;
use bookstore_e2e::goods::{COMPLETED, pay_order};

use super::{NO_ORDER, NOBODY, complete, illegal};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("CompleteOrder", Success, complete_order),
        cell("CompleteOrder", Code(40401), complete_no_order),
        cell("CompleteOrder", Code(40900), complete_unshipped_order),
        cell("CompleteOrder", BadInput, complete_bad_orders),
        cell("CompleteOrder", Repeat, complete_order_again),
    ]
}

async fn complete_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.shipped().await?;
    clients.done(complete(&placed.no)).await?;
    ensure!(clients.order_of(&placed.no).await?.status == COMPLETED);
    // Paid long ago is still paid.
    clients
        .said(pay_order(&placed.no), None, 0, "订单已支付")
        .await?;
    Ok(())
}

async fn complete_no_order(clients: Clients) -> anyhow::Result<()> {
    clients
        .refused(complete(NOBODY), 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    Ok(())
}

async fn complete_unshipped_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    illegal(&clients, complete(&placed.no), "PENDING", "COMPLETED").await?;
    let paid = clients.paid().await?;
    illegal(&clients, complete(&paid.no), "PAID", "COMPLETED").await?;
    let cancelled = clients.cancelled().await?;
    illegal(&clients, complete(&cancelled.no), "CANCELLED", "COMPLETED").await
}

async fn complete_bad_orders(clients: Clients) -> anyhow::Result<()> {
    clients.malformed(complete(""), &["order_no"]).await
}

async fn complete_order_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.shipped().await?;
    clients.done(complete(&placed.no)).await?;
    clients.done(complete(&placed.no)).await?;
    ensure!(clients.order_of(&placed.no).await?.status == COMPLETED);
    Ok(())
}
