//! The cells of `PayOrder`.

use anyhow::ensure;
use api::order::v1::PayOrderRequest;
use bookstore_e2e::goods::{PAID, PENDING, pay_order};
use bookstore_e2e::{Clients, ENGLISH};

use super::{NO_ORDER, NOBODY, illegal};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("PayOrder", Success, pay_for_order),
        cell("PayOrder", Code(1), pay_order_in_vain),
        cell("PayOrder", Code(40401), pay_no_order),
        cell("PayOrder", Code(40900), pay_cancelled_order),
        cell("PayOrder", BadInput, pay_bad_orders),
        cell("PayOrder", Repeat, pay_order_again),
    ]
}

async fn pay_for_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    let reply = clients.pay_until_accepted(&placed.no).await?;
    ensure!(reply.message == "支付成功", "{reply:?}");
    ensure!(
        reply.third_party_no == format!("MOCK{}", reply.payment_no),
        "{reply:?}"
    );
    ensure!(clients.order_of(&placed.no).await?.status == PAID);
    let english = clients
        .said(
            pay_order(&placed.no),
            Some(ENGLISH),
            0,
            "order already paid",
        )
        .await?;
    ensure!(english.payment_no == reply.payment_no, "{english:?}");
    Ok(())
}

async fn pay_order_in_vain(clients: Clients) -> anyhow::Result<()> {
    for (language, text) in [
        (None, "支付失败（Mock）"),
        (Some(ENGLISH), "payment refused (mock)"),
    ] {
        refused_payment(&clients, language, text).await?;
    }
    Ok(())
}

/// Pays new orders until the mock, which refuses three in ten, refuses one.
async fn refused_payment(
    clients: &Clients,
    language: Option<&'static str>,
    text: &str,
) -> anyhow::Result<()> {
    for _ in 0..64 {
        let placed = clients.placed().await?;
        let reply = clients.call_in(language, pay_order(&placed.no)).await?;
        if reply.code == 0 {
            continue;
        }
        ensure!(reply.code == 1 && reply.message == text, "{reply:?}");
        ensure!(reply.payment_no.is_empty(), "{reply:?}");
        // It stays PENDING and may be paid again.
        ensure!(clients.order_of(&placed.no).await?.status == PENDING);
        clients.pay_until_accepted(&placed.no).await?;
        return Ok(());
    }
    anyhow::bail!("the mock refused nobody: is success_rate 1?")
}

async fn pay_no_order(clients: Clients) -> anyhow::Result<()> {
    clients
        .refused(pay_order(NOBODY), 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    Ok(())
}

async fn pay_cancelled_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.cancelled().await?;
    illegal(&clients, pay_order(&placed.no), "CANCELLED", "PAID").await?;
    ensure!(clients.payment_of(placed.id).await?.is_none());
    Ok(())
}

async fn pay_bad_orders(clients: Clients) -> anyhow::Result<()> {
    let pay = |order_no: &str, payment_method: &str| PayOrderRequest {
        order_no: order_no.to_owned(),
        payment_method: payment_method.to_owned(),
    };
    clients.malformed(pay("", "mock"), &["order_no"]).await?;
    let placed = clients.placed().await?;
    clients
        .malformed(pay(&placed.no, "cash"), &["payment_method"])
        .await?;
    clients
        .malformed(pay(&placed.no, ""), &["payment_method"])
        .await?;
    ensure!(clients.order_of(&placed.no).await?.status == PENDING);
    Ok(())
}

async fn pay_order_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    let first = clients.pay_until_accepted(&placed.no).await?;
    let again = clients
        .said(pay_order(&placed.no), None, 0, "订单已支付")
        .await?;
    ensure!(again.payment_no == first.payment_no, "{again:?}");
    ensure!(again.third_party_no == first.third_party_no, "{again:?}");
    Ok(())
}
