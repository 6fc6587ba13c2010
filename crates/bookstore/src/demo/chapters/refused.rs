//! The gateway refuses; the order waits, and is paid at another try.

use types::{Code, OrderStatus};

use super::{
    Books, basket, cancel_order, find_order, pay_order, pay_until_paid, refused_with, tidy_up,
};
use crate::demo::claim::{done, equal};
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// Orders to try before the gateway is taken to refuse nobody.
const ORDERS_MAX: u32 = 25;

/// Finds an order whose payment is refused, pays it, and cancels it for its money back.
pub(in crate::demo) async fn play(stage: &mut Stage, books: Books) -> Result<(), Stop> {
    let Some(order_no) = find_bad_luck(stage, books).await? else {
        stage.say(Line::NobodyRefused, &[("count", &ORDERS_MAX.to_string())])?;
        return Ok(());
    };
    find_order(stage, &order_no, OrderStatus::Pending, Line::StillPending).await?;
    let paid = pay_until_paid(stage, pay_order(&order_no), Line::PaidAtLast).await?;

    let cancel = cancel_order(&order_no, Line::ChangedMindReason, stage);
    let cancelled = stage.call(cancel).await?;
    let refund_no = format!("REF{}", paid.payment_no);
    let claims = [
        done(&cancelled),
        equal("refund_no", &cancelled.refund_no, &refund_no),
    ];
    stage.answer(&cancelled, &claims, Line::MoneyBack)
}

/// Orders and pays until a payment is refused, and shows that one; `None` where none is.
///
/// Luck is a matter of the payment number, which nobody can choose, so the lucky ones are made
/// unseen and cancelled.
async fn find_bad_luck(stage: &mut Stage, books: Books) -> Result<Option<String>, Stop> {
    let request = basket(1, &[(books.systems, 1)], String::new());
    for lucky in 0..ORDERS_MAX {
        let made = stage.asked(request.clone()).await?;
        let pay = pay_order(&made.order_no);
        let reply = stage.asked(pay.clone()).await?;
        if reply.code == 0 {
            tidy_up(stage, &made.order_no).await;
            continue;
        }
        if lucky > 0 {
            stage.say(Line::LuckyBefore, &[("count", &lucky.to_string())])?;
        }
        stage.recall(&request)?;
        stage.answer(&made, &[done(&made)], Line::Nothing)?;
        stage.recall(&pay)?;
        let claim = refused_with(&reply, Code::PaymentRefused, stage.locale());
        stage.answer(&reply, &[claim], Line::Refused)?;
        return Ok(Some(made.order_no));
    }
    Ok(None)
}
