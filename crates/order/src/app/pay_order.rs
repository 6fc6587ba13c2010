//! Paying an order: a charge at the payment service, then PENDING -> PAID.
//!
//! The order's row is the only arbiter between payment, cancellation and timeout: one wins the
//! compare-and-set. Money that finds its order cancelled is refunded by a task.

use std::sync::Arc;

use platform::context::CallContext;
use platform::db::DbError;
use platform::deadline::Deadline;
use types::{OrderNo, OrderStatus, PaymentStatus, Violations};

use super::{App, BACKGROUND_LIMIT, illegal};
use crate::clients::{Charge, PaymentState};
use crate::domain::{Moved, Op, Order, PaymentRef, Receipt, Stage, Verdict};
use crate::error::OrderError;

/// Which order is to be paid, and how.
#[derive(Debug, Clone)]
pub(crate) struct PayOrder {
    pub(crate) order_no: OrderNo,
    pub(crate) payment_method: String,
}

/// A paid order.
#[derive(Debug, Clone)]
pub(crate) struct PaidOrder {
    /// The payment that paid it.
    pub(crate) payment: PaymentRef,
    /// Whether it had been paid before this call.
    pub(crate) before: bool,
}

impl App {
    /// Pays the order, or returns the payment that paid it before.
    pub(crate) async fn pay_order(
        self: &Arc<Self>,
        context: &CallContext,
        wanted: PayOrder,
    ) -> Result<PaidOrder, OrderError> {
        let (app, context) = (Arc::clone(self), context.clone());
        self.carry_through("pay_order", async move {
            let order = app.find_shown(&context, &wanted.order_no).await?.order;
            match order.stage {
                Stage::Live(OrderStatus::Pending) => {
                    app.charge_and_apply(&context, &order, &wanted.payment_method)
                        .await
                }
                Stage::Live(OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Completed) => {
                    app.answer_paid(&context, order).await
                }
                Stage::Creating | Stage::Abandoned | Stage::Live(OrderStatus::Cancelled) => {
                    Err(illegal(&order, OrderStatus::Paid))
                }
            }
        })
        .await
    }

    /// Charges the order's own total, then reads what payment really holds: "paid" can mean an
    /// earlier charge of another amount, and after "refused" another charge may have gone through.
    #[tracing::instrument(skip_all, fields(order.no = %order.order_no))]
    async fn charge_and_apply(
        &self,
        context: &CallContext,
        order: &Order,
        method: &str,
    ) -> Result<PaidOrder, OrderError> {
        let charge = self
            .payment
            .pay(context, order.id, order.total, method)
            .await;
        match charge {
            Charge::NoSuchMethod => {
                let description = "must name a payment method that is offered";
                return Err(Violations::one("payment_method", description).into());
            }
            // If the money did move, the feed reports it.
            Charge::Unknown(unanswered) => {
                return Err(OrderError::OutcomeUnknown(Some(unanswered)));
            }
            Charge::Paid | Charge::Refused => {}
        }
        match self.payment.read_payment(context, order.id).await {
            Ok(Some(PaymentState {
                receipt,
                status: PaymentStatus::Paid,
            })) => self.apply_payment(order, receipt).await,
            Ok(Some(PaymentState {
                status: PaymentStatus::Refunded,
                ..
            })) => Err(OrderError::PaymentRefunded),
            // Not paid, or paid by a charge that is being refunded or tried again meanwhile.
            _ if charge == Charge::Refused => Err(OrderError::PaymentRefused),
            Ok(_) => Err(OrderError::OutcomeUnknown(None)),
            Err(unanswered) => Err(OrderError::OutcomeUnknown(Some(unanswered))),
        }
    }

    /// Records money that has moved: written however late it is, and no failure here means that
    /// nothing happened. What is not written here, the feed brings.
    async fn apply_payment(
        &self,
        order: &Order,
        receipt: Receipt,
    ) -> Result<PaidOrder, OrderError> {
        let payment = PaymentRef {
            payment_no: receipt.payment_no.clone(),
            third_party_no: receipt.third_party_no.clone(),
        };
        let pay = Op::Pay {
            id: order.id,
            receipt,
            stamp: self.stamp(),
        };
        let moved = self
            .writer
            .move_order(pay, Deadline::after(BACKGROUND_LIMIT))
            .await;
        let Ok(Some(Moved {
            order,
            verdict,
            tasks,
        })) = moved
        else {
            tracing::warn!(?moved, "a payment is left to the feed");
            return Err(OrderError::OutcomeUnknown(None));
        };
        // Refunds a payment that lost against a cancellation, whether or not anybody waits.
        drop(self.runner.run_now(tasks));
        match verdict {
            Verdict::Now | Verdict::Before => {
                self.forget_deadline(order.id).await;
                Ok(PaidOrder {
                    payment,
                    before: false,
                })
            }
            Verdict::Illegal | Verdict::NotDue => Err(illegal(&order, OrderStatus::Paid)),
        }
    }

    /// The payment of an order that was paid before. Where only the feed reported it, the gateway's
    /// number is read from payment; the answer does not depend on that read.
    async fn answer_paid(
        &self,
        context: &CallContext,
        order: Order,
    ) -> Result<PaidOrder, OrderError> {
        let Some(mut payment) = order.payment else {
            let missing = "orders.payment_no of a paid order";
            return Err(DbError::corrupt(missing).into());
        };
        if payment.third_party_no.is_none()
            && let Ok(Some(state)) = self.payment.read_payment(context, order.id).await
            && state.receipt.payment_no == payment.payment_no
        {
            payment.third_party_no = state.receipt.third_party_no;
        }
        Ok(PaidOrder {
            payment,
            before: true,
        })
    }
}
