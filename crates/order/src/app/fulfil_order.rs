//! Shipping an order, and completing it.

use std::sync::Arc;

use platform::context::CallContext;
use types::{OrderNo, OrderStatus};

use super::App;
use crate::domain::Op;
use crate::error::OrderError;

impl App {
    /// PAID -> SHIPPED: the stock that the order holds is committed, by a task.
    pub(crate) async fn ship_order(
        self: &Arc<Self>,
        context: &CallContext,
        order_no: OrderNo,
    ) -> Result<(), OrderError> {
        let (app, context) = (Arc::clone(self), context.clone());
        self.carry_through("ship_order", async move {
            let id = app.find_shown(&context, &order_no).await?.order.id;
            let ship = Op::Ship {
                id,
                stamp: app.stamp(),
            };
            let moved = app.move_order(&context, ship).await;
            moved.map_err(|refusal| refusal.on_the_way_to(OrderStatus::Shipped))?;
            Ok(())
        })
        .await
    }

    /// SHIPPED -> COMPLETED.
    pub(crate) async fn complete_order(
        self: &Arc<Self>,
        context: &CallContext,
        order_no: OrderNo,
    ) -> Result<(), OrderError> {
        let (app, context) = (Arc::clone(self), context.clone());
        self.carry_through("complete_order", async move {
            let id = app.find_shown(&context, &order_no).await?.order.id;
            let complete = Op::Complete {
                id,
                at: app.clock.now(),
            };
            let moved = app.move_order(&context, complete).await;
            moved.map_err(|refusal| refusal.on_the_way_to(OrderStatus::Completed))?;
            Ok(())
        })
        .await
    }
}
