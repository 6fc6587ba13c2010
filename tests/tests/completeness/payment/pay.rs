//! The cells of `Pay`.

use anyhow::{Context, ensure};
use api::payment::v1::PayRequest;
use bookstore_e2e::goods::{MONEY_TAKEN, PAID, pay};
use bookstore_e2e::{Clients, ENGLISH};

use super::paid_and_refunded;
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("Pay", Success, charge),
        cell("Pay", Code(1), charge_in_vain),
        cell("Pay", BadInput, charge_badly),
        cell("Pay", Repeat, charge_again),
    ]
}

async fn charge(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    let reply = clients
        .charge_until_accepted(placed.id, placed.total)
        .await?;
    ensure!(reply.message == "支付成功", "{reply:?}");
    let digits = reply.payment_no.strip_prefix("PAY").unwrap_or_default();
    ensure!(digits.len() >= 20 && digits.len() <= 29, "{reply:?}");
    ensure!(
        reply.third_party_no == format!("MOCK{}", reply.payment_no),
        "{reply:?}"
    );
    clients.until_order_is(&placed.no, PAID).await;
    Ok(())
}

async fn charge_in_vain(clients: Clients) -> anyhow::Result<()> {
    for (language, text) in [
        (None, "支付失败（Mock）"),
        (Some(ENGLISH), "payment refused (mock)"),
    ] {
        refused_charge(&clients, language, text).await?;
    }
    let placed = paid_and_refunded(&clients).await?;
    let request = pay(placed.id, placed.total);
    clients
        .refused(request, 1, "订单已退款", "order was refunded")
        .await?;
    Ok(())
}

/// Charges for new orders until the mock, which refuses three in ten, refuses one.
async fn refused_charge(
    clients: &Clients,
    language: Option<&'static str>,
    text: &str,
) -> anyhow::Result<()> {
    for _ in 0..64 {
        let placed = clients.placed().await?;
        let reply = clients
            .call_in(language, pay(placed.id, placed.total))
            .await?;
        if reply.code == 0 {
            continue;
        }
        ensure!(reply.code == 1 && reply.message == text, "{reply:?}");
        ensure!(
            reply.payment_no.is_empty() && reply.third_party_no.is_empty(),
            "{reply:?}"
        );
        let failed = clients.payment_of(placed.id).await?.context("no row")?;
        ensure!(failed.status == 4, "{failed:?}");
        // Paying again is a new try with a new number.
        let next = clients
            .charge_until_accepted(placed.id, placed.total)
            .await?;
        ensure!(next.payment_no != failed.payment_no, "{next:?}");
        return Ok(());
    }
    anyhow::bail!("the mock refused nobody: is success_rate 1?")
}

async fn charge_badly(clients: Clients) -> anyhow::Result<()> {
    let method = |payment_method: &str| PayRequest {
        payment_method: payment_method.to_owned(),
        ..pay(1, 1)
    };
    let worst = PayRequest {
        order_id: 0,
        amount: 0,
        ..method("cash")
    };
    clients
        .malformed(worst, &["order_id", "amount", "payment_method"])
        .await?;
    clients.malformed(method(""), &["payment_method"]).await?;
    clients
        .malformed(pay(ID_TOO_LARGE, -1), &["order_id", "amount"])
        .await?;
    clients
        .malformed(pay(1, 1_000_000_000_000_001), &["amount"])
        .await
}

async fn charge_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    let first = clients
        .charge_until_accepted(placed.id, placed.total)
        .await?;
    let request = pay(placed.id, placed.total);
    let again = clients.said(request, None, 0, "订单已支付").await?;
    ensure!(again.payment_no == first.payment_no, "{again:?}");
    // Another amount on a paid order changes nothing.
    let other = pay(placed.id, placed.total + 1);
    let again = clients
        .said(other, Some(ENGLISH), 0, "order already paid")
        .await?;
    ensure!(again.payment_no == first.payment_no, "{again:?}");
    ensure!(
        clients
            .until_payment_is(placed.id, MONEY_TAKEN)
            .await
            .amount
            == placed.total
    );
    Ok(())
}
