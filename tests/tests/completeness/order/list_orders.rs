//! The cells of `ListOrders`.

use anyhow::ensure;
use api::order::v1::ListOrdersRequest;
use bookstore_e2e::Clients;
use bookstore_e2e::goods::CANCELLED;

use crate::table::Aspect::{BadInput, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("ListOrders", Success, list_orders),
        cell("ListOrders", BadInput, list_bad_orders),
        cell("ListOrders", Repeat, list_orders_again),
    ]
}

async fn list_orders(clients: Clients) -> anyhow::Result<()> {
    let (user_id, book) = (901, clients.stocked(100, 10).await?);
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(clients.place(user_id, &[(book, 1)]).await?);
    }
    clients.cancel(&made[1].no).await?;
    let list = |status, page| ListOrdersRequest {
        user_id,
        status,
        page,
        page_size: 2,
    };
    let first = clients.done(list(0, 1)).await?;
    let ids: Vec<_> = first.orders.iter().map(|order| order.id).collect();
    ensure!(
        ids == [made[2].id, made[1].id] && first.total == 3,
        "{first:?}"
    );
    ensure!(
        first.orders.iter().all(|order| order.items.len() == 1),
        "{first:?}"
    );
    ensure!(clients.done(list(0, 2)).await?.orders.len() == 1);
    ensure!(clients.done(list(0, 3)).await?.orders.is_empty());
    let cancelled = clients.done(list(CANCELLED, 0)).await?;
    ensure!(
        cancelled.total == 1 && cancelled.orders[0].id == made[1].id,
        "{cancelled:?}"
    );
    // User 0 is everybody.
    let everybody = clients.done(ListOrdersRequest::default()).await?;
    ensure!(
        everybody.total >= 3 && everybody.orders.len() <= 20,
        "{}",
        everybody.total
    );
    Ok(())
}

async fn list_bad_orders(clients: Clients) -> anyhow::Result<()> {
    let worst = ListOrdersRequest {
        user_id: ID_TOO_LARGE,
        status: 6,
        page: -1,
        page_size: 101,
    };
    clients
        .malformed(worst, &["user_id", "status", "page", "page_size"])
        .await?;
    let below = ListOrdersRequest {
        status: -1,
        ..ListOrdersRequest::default()
    };
    clients.malformed(below, &["status"]).await
}

async fn list_orders_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(100, 10).await?;
    clients.place(902, &[(book, 1)]).await?;
    let request = ListOrdersRequest {
        user_id: 902,
        ..ListOrdersRequest::default()
    };
    ensure!(clients.done(request).await? == clients.done(request).await?);
    Ok(())
}
