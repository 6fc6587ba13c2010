//! Cancelling an order: PENDING or PAID -> CANCELLED, stock and money given back by tasks.

use std::sync::Arc;

use platform::context::CallContext;
use types::{OrderNo, OrderStatus, RefundNo};

use super::App;
use crate::domain::{CancelCause, Op};
use crate::error::OrderError;

impl App {
    /// Cancels the order; returns the refund's number where money is refunded. A repeat returns the
    /// same.
    pub(crate) async fn cancel_order(
        self: &Arc<Self>,
        context: &CallContext,
        order_no: OrderNo,
        reason: String,
    ) -> Result<Option<RefundNo>, OrderError> {
        let (app, context) = (Arc::clone(self), context.clone());
        self.carry_through("cancel_order", async move {
            let id = app.find_shown(&context, &order_no).await?.order.id;
            let why = CancelCause::Asked(reason);
            let cancel = Op::Cancel {
                id,
                why,
                stamp: app.stamp(),
            };
            let moved = app.move_order(&context, cancel).await;
            let order = moved.map_err(|refusal| refusal.on_the_way_to(OrderStatus::Cancelled))?;
            app.forget_deadline(id).await;
            Ok(order.refund_no())
        })
        .await
    }
}
