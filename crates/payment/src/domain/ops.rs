use types::{Fen, OrderId, PaymentNo, RefundNo, UnixMillis};

use super::{AttemptState, Method, Payment, Record, ThirdPartyNo};

/// One change that is asked for; [`Rows::apply`](super::Rows::apply) decides it.
///
/// Each may be applied again after an unknown outcome: the second time changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Opens an attempt to charge; answered by [`Outcome::PayBegun`].
    BeginPay(BeginPay),
    /// Writes down what the gateway said to a charge; answered by [`Outcome::Settled`].
    SettleCharge(SettleCharge),
    /// Opens the refund of a paid attempt; answered by [`Outcome::RefundBegun`].
    BeginRefund(BeginRefund),
    /// Writes down what the gateway said to a refund; answered by [`Outcome::Settled`].
    SettleRefund(SettleRefund),
    /// Claims or puts off the next question; answered by [`Outcome::Rescheduled`].
    Reschedule(Reschedule),
}

impl Op {
    /// What kind of operation it is.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BeginPay(_) => "payment.begin_pay",
            Self::SettleCharge(_) => "payment.settle_charge",
            Self::BeginRefund(_) => "payment.begin_refund",
            Self::SettleRefund(_) => "payment.settle_refund",
            Self::Reschedule(_) => "payment.reschedule",
        }
    }

    /// The order whose rows the operation touches; it touches no others.
    pub const fn order_id(&self) -> OrderId {
        match self {
            Self::BeginPay(op) => op.order_id,
            Self::SettleCharge(op) => op.order_id,
            Self::BeginRefund(op) => op.order_id,
            Self::SettleRefund(op) => op.order_id,
            Self::Reschedule(op) => op.order_id,
        }
    }

    /// Whether the operation may add to the feed.
    pub const fn may_append_event(&self) -> bool {
        matches!(self, Self::SettleCharge(_) | Self::SettleRefund(_))
    }
}

/// Opens an attempt to charge `amount`, unless the order is being paid or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeginPay {
    /// The order to pay.
    pub order_id: OrderId,
    /// What to charge.
    pub amount: Fen,
    /// The gateway to ask.
    pub method: Method,
    /// The id of the payment row, should there be none yet.
    pub id: u64,
    /// The number of the attempt, should one begin.
    pub payment_no: PaymentNo,
    /// Now.
    pub now: UnixMillis,
    /// When another may take the attempt up, should its beginner die.
    pub check_at: UnixMillis,
}

/// Writes down what the gateway said to the charge of `payment_no`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleCharge {
    /// The order that is paid.
    pub order_id: OrderId,
    /// The attempt that the gateway spoke about.
    pub payment_no: PaymentNo,
    /// What it said.
    pub result: ChargeResult,
    /// Now.
    pub now: UnixMillis,
}

/// A gateway's final word on a charge. An unknown outcome is none, and cannot be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeResult {
    /// The money is ours.
    Charged {
        /// The gateway's number of the charge.
        third_party_no: ThirdPartyNo,
    },
    /// The money never moved, and never will under this number.
    Refused,
}

/// Opens the refund of an order's payment, where it is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeginRefund {
    /// The order whose money goes back.
    pub order_id: OrderId,
    /// Now.
    pub now: UnixMillis,
    /// When another may take the refund up, should its beginner die.
    pub check_at: UnixMillis,
}

/// Writes down what the gateway said to the refund of `payment_no`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleRefund {
    /// The order whose money goes back.
    pub order_id: OrderId,
    /// The attempt that is refunded.
    pub payment_no: PaymentNo,
    /// What the gateway said.
    pub result: RefundResult,
    /// Now.
    pub now: UnixMillis,
}

/// A gateway's final word on a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundResult {
    /// The money went back.
    Refunded,
    /// The money stays with us.
    Refused,
}

/// Moves the next question about an open attempt from `seen` to `next`: a compare-and-set, so of
/// several who see the same attempt due exactly one takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reschedule {
    /// The order of the attempt.
    pub order_id: OrderId,
    /// The attempt.
    pub payment_no: PaymentNo,
    /// When the question was due as the caller read it.
    pub seen: UnixMillis,
    /// When it is due from now on.
    pub next: UnixMillis,
}

/// What became of an [`Op`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The answer to [`Op::BeginPay`].
    PayBegun(PayBegun),
    /// The answer to [`Op::BeginRefund`].
    RefundBegun(RefundBegun),
    /// The answer to [`Op::SettleCharge`] and [`Op::SettleRefund`].
    Settled(Settled),
    /// The answer to [`Op::Reschedule`].
    Rescheduled(Rescheduled),
}

/// What a wish to pay met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayBegun {
    /// An attempt of the caller's own: whoever hears this must ask the gateway.
    Started(Record),
    /// Somebody else's attempt is under way: wait for it.
    InFlight(Record),
    /// The attempt of this very number has been refused meanwhile; nothing changed.
    RefusedBefore,
    /// The order is paid; nothing changed.
    AlreadyPaid(Payment),
    /// The order was paid and refunded; nothing changed.
    Refunded,
}

/// What a wish for a refund met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundBegun {
    /// A refund of the caller's own: whoever hears this must ask the gateway.
    Started(Record),
    /// Somebody else's refund is under way: wait for it.
    InFlight(Record),
    /// The order never saw a payment.
    NotFound,
    /// Nothing to give back.
    NotRefundable {
        /// The refund that took place, where one did.
        refund_no: Option<RefundNo>,
    },
}

/// What a gateway's word met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It was news, and is written down.
    Moved(Record),
    /// The attempt was settled before; it stands as it stood.
    Stands(Record),
    /// No such attempt is the order's last one; nothing changed.
    Superseded,
}

/// What a compare-and-set of the next question met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rescheduled {
    /// The question is the caller's, until `next`.
    Won(Record),
    /// It moved meanwhile, or has been answered.
    Lost,
}

impl Settled {
    /// Whether the gateway had given another final word before: a promise broken, and money that
    /// may have moved without a row to tell of it. For a person to look at.
    pub fn contradicts(&self, op: &Op) -> bool {
        let before = match self {
            Self::Moved(_) => return false,
            Self::Stands(record) => record.attempt.state,
            // Only a refusal lets another attempt follow.
            Self::Superseded => AttemptState::Refused,
        };
        match op {
            Op::SettleCharge(SettleCharge {
                result: ChargeResult::Charged { .. },
                ..
            }) => before == AttemptState::Refused,
            Op::SettleCharge(SettleCharge {
                result: ChargeResult::Refused,
                ..
            }) => before != AttemptState::Refused,
            Op::SettleRefund(SettleRefund {
                result: RefundResult::Refunded,
                ..
            }) => before != AttemptState::Refunded,
            Op::SettleRefund(SettleRefund {
                result: RefundResult::Refused,
                ..
            }) => before == AttemptState::Refunded,
            Op::BeginPay(_) | Op::BeginRefund(_) | Op::Reschedule(_) => false,
        }
    }
}
