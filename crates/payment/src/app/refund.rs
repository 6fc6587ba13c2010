use std::sync::Arc;

use platform::deadline::Deadline;
use types::{Code, OrderId, RefundNo};

use super::Payments;
use super::ask::Round;
use crate::domain::{AttemptState, BeginRefund, Op, Outcome, RefundBegun};
use crate::error::PaymentError;

/// What became of a request for a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefundAnswer {
    /// The money went back, now.
    Refunded(RefundNo),
    /// The money went back before.
    RefundedBefore(RefundNo),
}

impl Payments {
    /// Gives an order's money back, once; all who ask while the refund is under way get the same result.
    ///
    /// # Errors
    /// `Refused` if there is nothing to give back, or by the gateway; `StillOpen` if the caller's
    /// deadline passed first: the refund is settled without the caller.
    pub(crate) async fn refund(
        self: &Arc<Self>,
        order_id: OrderId,
        deadline: Deadline,
    ) -> Result<RefundAnswer, PaymentError> {
        let begun = match self.begin_refund(order_id, deadline).await? {
            RefundBegun::Started(record) | RefundBegun::InFlight(record) => record,
            RefundBegun::NotFound => return Err(PaymentError::Refused(Code::PaymentNotFound)),
            RefundBegun::NotRefundable { refund_no: None } => {
                return Err(PaymentError::Refused(Code::NotRefundable));
            }
            RefundBegun::NotRefundable {
                refund_no: Some(refund_no),
            } => {
                return Ok(RefundAnswer::RefundedBefore(refund_no));
            }
        };
        let refund_no = begun.refund_no();
        let (_, state) = self.wait_for_end(begun, deadline).await?;
        if state == AttemptState::Refunded {
            Ok(RefundAnswer::Refunded(refund_no))
        } else {
            Err(PaymentError::Refused(Code::RefundRefused))
        }
    }

    /// Opens the refund, or finds what stands in its way. Runs in a task of its own, as for a charge.
    async fn begin_refund(
        self: &Arc<Self>,
        order_id: OrderId,
        deadline: Deadline,
    ) -> Result<RefundBegun, PaymentError> {
        let payments = Arc::clone(self);
        let now = self.clock.now();
        let check_at = now.plus(self.timetable.lease());
        let op = Op::BeginRefund(BeginRefund {
            order_id,
            now,
            check_at,
        });
        let begin = async move {
            let begun = payments.submit(op, deadline, read_begun).await?;
            if let RefundBegun::Started(record) = &begun {
                payments.ask_in_background(record.clone(), Round::First);
            }
            Ok(begun)
        };
        self.tasks.run("begin to refund", begin).await?
    }
}

fn read_begun(outcome: Outcome) -> Option<RefundBegun> {
    match outcome {
        Outcome::RefundBegun(begun) => Some(begun),
        Outcome::PayBegun(_) | Outcome::Settled(_) | Outcome::Rescheduled(_) => None,
    }
}
