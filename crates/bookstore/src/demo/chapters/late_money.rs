//! Cancelled first, paid afterwards: the order stays cancelled, and the money goes back by itself.

use types::{Code, OrderStatus, PaymentStatus};

use super::{
    Books, cancel_order, find_order, find_payment, order_one, pay_directly, pay_order,
    pay_until_paid,
};
use crate::demo::claim::{done, refused};
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// Cancels an order, then pays it in both ways.
pub(in crate::demo) async fn play(stage: &mut Stage, books: Books) -> Result<(), Stop> {
    let made = order_one(stage, books).await?;
    let cancel = cancel_order(&made.order_no, Line::ChangedMindReason, stage);
    for why in [Line::Nothing, Line::CancelledOnce] {
        let cancelled = stage.call(cancel.clone()).await?;
        stage.answer(&cancelled, &[done(&cancelled)], why)?;
    }

    let reply = stage.call(pay_order(&made.order_no)).await?;
    let code = Code::IllegalTransition {
        from: OrderStatus::Cancelled,
        to: OrderStatus::Paid,
    };
    stage.answer(
        &reply,
        &[refused(&reply, code, stage.locale())],
        Line::NotPaidAnyMore,
    )?;

    let pay = pay_directly(made.order_id, made.total);
    pay_until_paid(stage, pay.clone(), Line::PaidAllTheSame).await?;
    find_payment(
        stage,
        made.order_id,
        PaymentStatus::Refunded,
        Line::RefundedByItself,
    )
    .await?;
    find_order(stage, &made.order_no, OrderStatus::Cancelled, Line::Nothing).await?;

    let again = stage.call(pay).await?;
    let claim = refused(&again, Code::PaymentRefunded, stage.locale());
    stage.answer(&again, &[claim], Line::NoThirdTime)
}
