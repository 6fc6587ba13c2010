//! Nobody pays: the order expires, and its stock is free again.

use std::time::Duration;

use api::order::v1::Order;
use types::OrderStatus;

use super::{
    Books, COPIES, PATIENCE, cancel_order, find_order, find_order_within, find_stock, order_one,
};
use crate::demo::claim::done;
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// The longest wait that is worth watching.
const WATCHABLE: Duration = Duration::from_secs(10);

/// Waits for an order to expire, where that takes seconds.
pub(in crate::demo) async fn play(stage: &mut Stage, books: Books) -> Result<(), Stop> {
    let made = order_one(stage, books).await?;
    let order = find_order(stage, &made.order_no, OrderStatus::Pending, Line::Nothing).await?;
    let timeout = payment_timeout(&order);
    let seconds = timeout.as_secs().to_string();
    if timeout > WATCHABLE {
        stage.say(Line::TooLongToWatch, &[("seconds", &seconds)])?;
        let cancelled = stage
            .call(cancel_order(&made.order_no, Line::TidyReason, stage))
            .await?;
        return stage.answer(&cancelled, &[done(&cancelled)], Line::Nothing);
    }
    stage.say(Line::Waiting, &[("seconds", &seconds)])?;
    let patience = timeout.saturating_add(PATIENCE);
    let (order_no, promised) = (&made.order_no, OrderStatus::Cancelled);
    find_order_within(stage, order_no, promised, patience, Line::Expired).await?;
    find_stock(stage, books.systems, (COPIES, 0), Line::ExpiredStockIsBack).await
}

/// How long the system gives an order: it need not be what this program's configuration says.
fn payment_timeout(order: &Order) -> Duration {
    let seconds = order.expire_at.saturating_sub(order.created_at);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
