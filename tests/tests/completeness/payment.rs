//! The payments' cells. Each pays an order of its own: money for no order is sent back at once.

use anyhow::{Context, ensure};
use api::payment::v1::{GetPaymentStatusRequest, PayRequest, RefundRequest};
use bookstore_e2e::goods::{CANCELLED, MONEY_RETURNED, MONEY_TAKEN, PAID, Placed, pay};
use bookstore_e2e::{Clients, ENGLISH};

use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};
use crate::wire;

/// An order that nobody ever paid for.
const NOBODY: u64 = 1 << 49;

pub(crate) fn cells() -> Vec<Cell> {
    vec![
        cell("Pay", Success, charge),
        cell("Pay", Code(1), charge_in_vain),
        cell("Pay", BadInput, charge_badly),
        cell("Pay", Repeat, charge_again),
        cell("GetPaymentStatus", Success, get_status),
        cell("GetPaymentStatus", Code(1), get_no_status),
        cell("GetPaymentStatus", BadInput, get_bad_status),
        cell("GetPaymentStatus", Repeat, get_status_again),
        cell("Refund", Success, refund),
        cell("Refund", Code(1), refund_nothing),
        cell("Refund", BadInput, refund_badly),
        cell("Refund", Repeat, refund_again),
        cell("WatchPayments", Success, watch),
        cell("WatchPayments", BadInput, watch_badly),
        cell("WatchPayments", Repeat, watch_again),
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

async fn refund(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    let payment = clients
        .charge_until_accepted(placed.id, placed.total)
        .await?;
    let request = RefundRequest {
        order_id: placed.id,
    };
    let reply = clients.said(request, Some(ENGLISH), 0, "refunded").await?;
    ensure!(
        reply.refund_no == format!("REF{}", payment.payment_no),
        "{reply:?}"
    );
    clients.until_payment_is(placed.id, MONEY_RETURNED).await;
    clients.until_order_is(&placed.no, CANCELLED).await;
    Ok(())
}

async fn refund_nothing(clients: Clients) -> anyhow::Result<()> {
    let never = RefundRequest { order_id: NOBODY };
    clients
        .refused(never, 1, "支付记录不存在", "no such payment")
        .await?;
    let texts = ("订单未支付或已退款", "order not paid or already refunded");
    let placed = paid_and_refunded(&clients).await?;
    let again = RefundRequest {
        order_id: placed.id,
    };
    let reply = clients.refused(again, 1, texts.0, texts.1).await?;
    ensure!(reply.refund_no.starts_with("REFPAY"), "{reply:?}");
    Ok(())
}

async fn refund_badly(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(RefundRequest { order_id: 0 }, &["order_id"])
        .await?;
    clients
        .malformed(
            RefundRequest {
                order_id: ID_TOO_LARGE,
            },
            &["order_id"],
        )
        .await
}

async fn refund_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.paid().await?;
    let first = clients
        .done(RefundRequest {
            order_id: placed.id,
        })
        .await?;
    let again = clients
        .call(RefundRequest {
            order_id: placed.id,
        })
        .await?;
    ensure!(
        again.code == 1 && again.refund_no == first.refund_no,
        "{again:?}"
    );
    Ok(())
}

async fn watch(clients: Clients) -> anyhow::Result<()> {
    let placed = paid_and_refunded(&clients).await?;
    let is_end = |order_id, status| order_id == placed.id && status == MONEY_RETURNED;
    let events = clients
        .payment_events(0, |e| is_end(e.order_id, e.status))
        .await?;
    let ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
    let gapless: Vec<_> = (1..).take(ids.len()).collect();
    ensure!(ids == gapless, "{ids:?}");
    let mine: Vec<_> = events
        .iter()
        .filter(|event| event.order_id == placed.id)
        .collect();
    let settled: Vec<_> = mine
        .iter()
        .map(|e| e.status)
        .filter(|status| *status != 4)
        .collect();
    ensure!(settled == [MONEY_TAKEN, MONEY_RETURNED], "{mine:?}");
    ensure!(
        mine.iter()
            .all(|e| e.amount == placed.total && e.created_at > 0),
        "{mine:?}"
    );

    // Live: an event that happens while someone watches.
    let last = ids.last().copied().context("no events")?;
    let next = clients.placed().await?;
    let watching =
        clients.payment_events(last, |e| e.order_id == next.id && e.status == MONEY_TAKEN);
    let paying = clients.charge_until_accepted(next.id, next.total);
    let (events, _) = futures::future::try_join(watching, paying).await?;
    ensure!(
        events
            .first()
            .is_some_and(|event| event.event_id == last + 1),
        "{events:?}"
    );
    Ok(())
}

/// Any number is a position; only bytes that do not decode are bad.
async fn watch_badly(clients: Clients) -> anyhow::Result<()> {
    let status = wire::send_garbage(&clients, "/payment.v1.PaymentService/WatchPayments").await?;
    ensure!(status.code() == tonic::Code::InvalidArgument, "{status:?}");
    Ok(())
}

async fn watch_again(clients: Clients) -> anyhow::Result<()> {
    let placed = paid_and_refunded(&clients).await?;
    let is_end = |order_id, status| order_id == placed.id && status == MONEY_RETURNED;
    let first = clients
        .payment_events(0, |e| is_end(e.order_id, e.status))
        .await?;
    let again = clients
        .payment_events(0, |e| is_end(e.order_id, e.status))
        .await?;
    ensure!(first == again);
    // From the middle on it is the rest of the same.
    let middle = first.len() / 2;
    let after = first
        .get(..middle)
        .and_then(|part| part.last())
        .map_or(0, |e| e.event_id);
    let rest = clients
        .payment_events(after, |e| is_end(e.order_id, e.status))
        .await?;
    ensure!(first.get(middle..) == Some(&rest[..]));
    Ok(())
}

async fn paid_and_refunded(clients: &Clients) -> anyhow::Result<Placed> {
    let placed = clients.paid().await?;
    clients
        .done(RefundRequest {
            order_id: placed.id,
        })
        .await?;
    Ok(placed)
}
