//! An order, paid and refunded at the payment service itself: the order hears of both by the feed.

use api::order::v1::GetOrderRequest;
use api::payment::v1::RefundRequest;
use types::{Code, OrderStatus, PaymentStatus};

use super::{
    Books, COPIES, GO_PRICE_FEN, SYSTEMS_PRICE_FEN, basket, find_order, find_payment, find_stock,
    pay_directly, pay_until_paid,
};
use crate::demo::claim::{done, equal, refused, says, starts};
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// Plays the second half of the transcript.
pub(in crate::demo) async fn play(stage: &mut Stage, books: Books) -> Result<(), Stop> {
    let basket = basket(1, &[(books.go, 2), (books.systems, 1)], String::new());
    let total = GO_PRICE_FEN * 2 + SYSTEMS_PRICE_FEN;
    let made = stage.call(basket).await?;
    let claims = [
        done(&made),
        starts("order_no", &made.order_no, "ORD"),
        equal("total", made.total, total),
    ];
    stage.answer(&made, &claims, Line::TotalByServer)?;
    show_order(stage, &made.order_no).await?;

    let pay = pay_directly(made.order_id, total);
    let paid = pay_until_paid(stage, pay.clone(), Line::PaidByLuck).await?;
    let again = stage.call(pay).await?;
    let claims = [
        says(&again, api::text::already_paid(stage.locale())),
        equal("payment_no", &again.payment_no, &paid.payment_no),
    ];
    stage.answer(&again, &claims, Line::PaidOnce)?;
    find_payment(stage, made.order_id, PaymentStatus::Paid, Line::Nothing).await?;
    find_order(stage, &made.order_no, OrderStatus::Paid, Line::HeardByFeed).await?;

    refund(stage, made.order_id, &paid.payment_no).await?;
    find_payment(stage, made.order_id, PaymentStatus::Refunded, Line::Nothing).await?;
    find_order(
        stage,
        &made.order_no,
        OrderStatus::Cancelled,
        Line::RefundCancels,
    )
    .await?;
    find_stock(stage, books.go, (COPIES, 0), Line::StockIsBack).await
}

/// Shows the whole order, once.
async fn show_order(stage: &mut Stage, order_no: &str) -> Result<(), Stop> {
    let found = stage
        .call(GetOrderRequest {
            order_no: order_no.to_owned(),
        })
        .await?;
    let order = found.order.clone().unwrap_or_default();
    let prices = order.items.iter().map(|item| item.price).collect();
    let claims = [
        done(&found),
        equal("status", order.status, OrderStatus::Pending.number()),
        equal("prices", prices, vec![GO_PRICE_FEN, SYSTEMS_PRICE_FEN]),
    ];
    stage.answer(&found, &claims, Line::PricesKept)
}

async fn refund(stage: &mut Stage, order_id: u64, payment_no: &str) -> Result<(), Stop> {
    let refund_no = format!("REF{payment_no}");
    let reply = stage.call(RefundRequest { order_id }).await?;
    let claims = [
        says(&reply, api::text::refunded(stage.locale())),
        equal("refund_no", &reply.refund_no, &refund_no),
    ];
    stage.answer(&reply, &claims, Line::Nothing)?;
    let again = stage.call(RefundRequest { order_id }).await?;
    let claims = [
        refused(&again, Code::NotRefundable, stage.locale()),
        equal("refund_no", &again.refund_no, &refund_no),
    ];
    stage.answer(&again, &claims, Line::RefundedOnce)
}
