//! The cells of `ShipOrder`.

use anyhow::ensure;
use api::order::v1::ShipOrderRequest;
use bookstore_e2e::Clients;
use bookstore_e2e::goods::SHIPPED;

use super::{NO_ORDER, NOBODY, complete, illegal};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("ShipOrder", Success, ship_order),
        cell("ShipOrder", Code(40401), ship_no_order),
        cell("ShipOrder", Code(40900), ship_unpaid_order),
        cell("ShipOrder", BadInput, ship_bad_orders),
        cell("ShipOrder", Repeat, ship_order_again),
    ]
}

async fn ship_order(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(100, 10).await?;
    let placed = clients.place(1, &[(book, 4)]).await?;
    clients.pay_until_accepted(&placed.no).await?;
    clients.done(ship(&placed.no)).await?;
    ensure!(clients.order_of(&placed.no).await?.status == SHIPPED);
    // The goods have left.
    clients.until_stock_is(book, 6, 0).await;
    Ok(())
}

async fn ship_no_order(clients: Clients) -> anyhow::Result<()> {
    clients
        .refused(ship(NOBODY), 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    Ok(())
}

async fn ship_unpaid_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    illegal(&clients, ship(&placed.no), "PENDING", "SHIPPED").await?;
    let cancelled = clients.cancelled().await?;
    illegal(&clients, ship(&cancelled.no), "CANCELLED", "SHIPPED").await?;
    let completed = clients.shipped().await?;
    clients.done(complete(&completed.no)).await?;
    illegal(&clients, ship(&completed.no), "COMPLETED", "SHIPPED").await
}

async fn ship_bad_orders(clients: Clients) -> anyhow::Result<()> {
    clients.malformed(ship(""), &["order_no"]).await
}

async fn ship_order_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.shipped().await?;
    clients.done(ship(&placed.no)).await?;
    ensure!(clients.order_of(&placed.no).await?.status == SHIPPED);
    Ok(())
}

fn ship(order_no: &str) -> ShipOrderRequest {
    ShipOrderRequest {
        order_no: order_no.to_owned(),
    }
}
