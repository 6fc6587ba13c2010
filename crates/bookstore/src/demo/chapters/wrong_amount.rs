//! A payment of another amount than the order's.

use types::{OrderStatus, PaymentStatus};

use super::{Books, find_order, find_payment, order_one, pay_directly, pay_until_paid};
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// What is paid too little, in fen.
const MISSING_FEN: i64 = 1;

/// Pays one fen too little.
pub(in crate::demo) async fn play(stage: &mut Stage, books: Books) -> Result<(), Stop> {
    let made = order_one(stage, books).await?;
    let pay = pay_directly(made.order_id, made.total - MISSING_FEN);
    pay_until_paid(stage, pay, Line::PaidTooLittle).await?;
    find_order(
        stage,
        &made.order_no,
        OrderStatus::Cancelled,
        Line::CancelledForAmount,
    )
    .await?;
    find_payment(
        stage,
        made.order_id,
        PaymentStatus::Refunded,
        Line::WrongMoneyBack,
    )
    .await
}
