//! An order that goes well: paid, shipped, received.

use api::order::v1::{CompleteOrderRequest, ShipOrderRequest};
use types::{Code, OrderStatus};

use super::{Books, COPIES, GO_PRICE_FEN, basket, find_stock, pay_order, pay_until_paid};
use crate::demo::claim::{done, equal, refused};
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// Sells two copies, for good.
pub(in crate::demo) async fn play(stage: &mut Stage, books: Books) -> Result<(), Stop> {
    let made = stage
        .call(basket(1, &[(books.go, 2)], String::new()))
        .await?;
    let total = equal("total", made.total, GO_PRICE_FEN * 2);
    stage.answer(&made, &[done(&made), total], Line::Nothing)?;
    find_stock(stage, books.go, (COPIES - 2, 2), Line::Reserved).await?;
    pay_until_paid(stage, pay_order(&made.order_no), Line::PaidThroughOrder).await?;

    let ship = ShipOrderRequest {
        order_no: made.order_no.clone(),
    };
    let shipped = stage.call(ship.clone()).await?;
    stage.answer(&shipped, &[done(&shipped)], Line::Nothing)?;
    find_stock(stage, books.go, (COPIES - 2, 0), Line::Committed).await?;
    let completed = stage
        .call(CompleteOrderRequest {
            order_no: made.order_no,
        })
        .await?;
    stage.answer(&completed, &[done(&completed)], Line::Nothing)?;

    let back = stage.call(ship).await?;
    let code = Code::IllegalTransition {
        from: OrderStatus::Completed,
        to: OrderStatus::Shipped,
    };
    stage.answer(
        &back,
        &[refused(&back, code, stage.locale())],
        Line::NoWayBack,
    )
}
