use std::sync::Arc;

use platform::combiner::WriteError;
use platform::deadline::Deadline;
use types::{Code, Fen, OrderId, PaymentNo};

use super::Payments;
use super::ask::Round;
use crate::domain::{AttemptState, BeginPay, Method, Op, Outcome, PayBegun, Payment, ThirdPartyNo};
use crate::error::PaymentError;

/// A request to pay, checked.
#[derive(Debug, Clone)]
pub(crate) struct PayRequest {
    pub(crate) order_id: OrderId,
    pub(crate) amount: Fen,
    pub(crate) method: Method,
}

/// The order is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PayAnswer {
    /// Whether it was paid before, or by a concurrent request for another amount or method.
    pub(crate) already: bool,
    pub(crate) payment_no: PaymentNo,
    pub(crate) third_party_no: Option<ThirdPartyNo>,
}

impl Payments {
    /// Charges an order once, however many callers ask and however often.
    ///
    /// The first caller opens an attempt, and a task of its own asks the gateway. Everybody who
    /// comes while the attempt is open waits for it, like the first caller, and gets the same
    /// result. A caller who asked for another amount or method gets "already paid" if that attempt
    /// succeeds, and opens one of its own if it is refused.
    ///
    /// # Errors
    /// `Refused` by the gateway, or because the order was refunded; `StillOpen` if the caller's
    /// deadline passed first: the attempt is settled without the caller.
    pub(crate) async fn pay(
        self: &Arc<Self>,
        request: &PayRequest,
        deadline: Deadline,
    ) -> Result<PayAnswer, PaymentError> {
        // Each pass but the last waits for another caller's attempt, within the deadline.
        loop {
            let (begun, is_ours) = match self.begin_pay(request, deadline).await? {
                PayBegun::Started(record) => (record, true),
                PayBegun::InFlight(record) => {
                    let same = record.attempt.amount == request.amount
                        && record.attempt.method == request.method;
                    (record, same)
                }
                PayBegun::RefusedBefore => {
                    return Err(PaymentError::Refused(Code::PaymentRefused));
                }
                PayBegun::AlreadyPaid(payment) => return Ok(answer(payment, true)),
                PayBegun::Refunded => return Err(PaymentError::Refused(Code::PaymentRefunded)),
            };
            let (record, state) = self.wait_for_end(begun, deadline).await?;
            match state {
                AttemptState::Charged | AttemptState::Refunding => {
                    return Ok(answer(record.payment, !is_ours));
                }
                AttemptState::Refunded => {
                    return Err(PaymentError::Refused(Code::PaymentRefunded));
                }
                AttemptState::Refused if is_ours => {
                    return Err(PaymentError::Refused(Code::PaymentRefused));
                }
                AttemptState::Refused | AttemptState::Charging => {}
            }
        }
    }

    /// Opens an attempt, or finds the one that stands in its way.
    ///
    /// Runs in a task of its own: a caller that goes away between writing the attempt's row and
    /// asking the gateway would leave the one without the other.
    async fn begin_pay(
        self: &Arc<Self>,
        request: &PayRequest,
        deadline: Deadline,
    ) -> Result<PayBegun, PaymentError> {
        let payments = Arc::clone(self);
        let request = request.clone();
        let begin = async move {
            let op = payments.new_attempt(request, deadline).await?;
            let begun = payments.submit(op, deadline, read_begun).await?;
            if let PayBegun::Started(record) = &begun {
                payments.ask_in_background(record.clone(), Round::First);
            }
            Ok(begun)
        };
        self.tasks.run("begin to pay", begin).await?
    }

    async fn new_attempt(&self, request: PayRequest, deadline: Deadline) -> Result<Op, WriteError> {
        let serial = self.serials.next(deadline).await?;
        let now = self.clock.now();
        Ok(Op::BeginPay(BeginPay {
            order_id: request.order_id,
            amount: request.amount,
            method: request.method,
            id: serial,
            payment_no: PaymentNo::generate(now, serial),
            now,
            check_at: now.plus(self.timetable.lease()),
        }))
    }
}

fn read_begun(outcome: Outcome) -> Option<PayBegun> {
    match outcome {
        Outcome::PayBegun(begun) => Some(begun),
        Outcome::RefundBegun(_) | Outcome::Settled(_) | Outcome::Rescheduled(_) => None,
    }
}

fn answer(payment: Payment, already: bool) -> PayAnswer {
    let Payment {
        payment_no,
        third_party_no,
        ..
    } = payment;
    PayAnswer {
        already,
        payment_no,
        third_party_no,
    }
}
