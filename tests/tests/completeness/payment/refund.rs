//! The cells of `Refund`.

use anyhow::ensure;
use api::payment::v1::RefundRequest;
use bookstore_e2e::goods::{CANCELLED, MONEY_RETURNED};
use bookstore_e2e::{Clients, ENGLISH};

use super::{NOBODY, paid_and_refunded};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("Refund", Success, refund),
        cell("Refund", Code(1), refund_nothing),
        cell("Refund", BadInput, refund_badly),
        cell("Refund", Repeat, refund_again),
    ]
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
