//! The cells of `GetPaymentStatus`.

use anyhow::{Context, ensure};
use api::payment::v1::GetPaymentStatusRequest;
use bookstore_e2e::Clients;
use bookstore_e2e::goods::MONEY_TAKEN;

use super::NOBODY;
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("GetPaymentStatus", Success, get_status),
        cell("GetPaymentStatus", Code(1), get_no_status),
        cell("GetPaymentStatus", BadInput, get_bad_status),
        cell("GetPaymentStatus", Repeat, get_status_again),
    ]
}

async fn get_status(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.paid().await?;
    let got = clients.payment_of(placed.id).await?.context("no payment")?;
    ensure!(
        (got.order_id, got.amount, got.status) == (placed.id, placed.total, MONEY_TAKEN),
        "{got:?}"
    );
    ensure!(got.payment_method == "mock" && got.id > 0, "{got:?}");
    ensure!(
        got.created_at > 0 && got.updated_at >= got.created_at,
        "{got:?}"
    );
    Ok(())
}

async fn get_no_status(clients: Clients) -> anyhow::Result<()> {
    let request = GetPaymentStatusRequest { order_id: NOBODY };
    let reply = clients
        .refused(request, 1, "支付记录不存在", "no such payment")
        .await?;
    ensure!(reply.payment.is_none(), "{reply:?}");
    Ok(())
}

async fn get_bad_status(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(GetPaymentStatusRequest { order_id: 0 }, &["order_id"])
        .await?;
    clients
        .malformed(
            GetPaymentStatusRequest {
                order_id: ID_TOO_LARGE,
            },
            &["order_id"],
        )
        .await
}

async fn get_status_again(clients: Clients) -> anyhow::Result<()> {
    let request = GetPaymentStatusRequest {
        order_id: clients.paid().await?.id,
    };
    ensure!(clients.done(request).await? == clients.done(request).await?);
    Ok(())
}
