//! The cells of `GetOrder`.

use anyhow::ensure;
use api::order::v1::GetOrderRequest;
use bookstore_e2e::Clients;

use super::{NO_ORDER, NOBODY};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("GetOrder", Success, get_order),
        cell("GetOrder", Code(40401), get_no_order),
        cell("GetOrder", BadInput, get_bad_numbers),
        cell("GetOrder", Repeat, get_order_again),
    ]
}

async fn get_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    let got = clients.order_of(&placed.no).await?;
    ensure!(
        (got.order_no.as_str(), got.total) == (placed.no.as_str(), placed.total),
        "{got:?}"
    );
    ensure!(
        got.items.len() == 1 && got.items[0].book_title == "货架上的书",
        "{got:?}"
    );
    ensure!(
        got.updated_at >= got.created_at && got.cancel_reason.is_empty(),
        "{got:?}"
    );
    Ok(())
}

async fn get_no_order(clients: Clients) -> anyhow::Result<()> {
    let request = GetOrderRequest {
        order_no: NOBODY.to_owned(),
    };
    let reply = clients
        .refused(request, 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    ensure!(reply.order.is_none(), "{reply:?}");
    Ok(())
}

async fn get_bad_numbers(clients: Clients) -> anyhow::Result<()> {
    for order_no in ["", &"9".repeat(33), "ORD\u{7}1"] {
        let request = GetOrderRequest {
            order_no: order_no.to_owned(),
        };
        clients.malformed(request, &["order_no"]).await?;
    }
    Ok(())
}

async fn get_order_again(clients: Clients) -> anyhow::Result<()> {
    let request = GetOrderRequest {
        order_no: clients.placed().await?.no,
    };
    ensure!(clients.done(request.clone()).await? == clients.done(request).await?);
    Ok(())
}
