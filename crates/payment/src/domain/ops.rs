use types::{Fen, OrderId, PaymentNo, RefundNo, UnixMillis};

use super::{AttemptState, Method, Payment, Record, ThirdPartyNo};

/// One requested change; [`Rows::apply`](super::Rows::apply) decides it.
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
    /// Claims or postpones the next check of an open attempt; answered by [`Outcome::Rescheduled`].
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

/// Opens an attempt to charge `amount`, unless the order is being paid or has been.
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
    /// When another worker may take the attempt over, should the one that began it die.
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

/// A gateway's final word on a charge. An unknown outcome is not one, and cannot be expressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeResult {
    /// The money was captured.
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
    /// When another worker may take the refund over, should the one that began it die.
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
    /// The charge stands.
    Refused,
}

/// Moves the next check of an open attempt from `seen` to `next`: a compare-and-set, so of several
/// workers that see the same attempt due exactly one claims it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reschedule {
    /// The order of the attempt.
    pub order_id: OrderId,
    /// The attempt.
    pub payment_no: PaymentNo,
    /// When the check was due, as the caller read it.
    pub seen: UnixMillis,
    /// When it is due instead.
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

/// What a request to pay led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayBegun {
    /// The caller's own attempt is open: whoever gets this must ask the gateway.
    Started(Record),
    /// Somebody else's attempt is under way: wait for it.
    InFlight(Record),
    /// The attempt with this very number has been refused meanwhile; nothing changed.
    RefusedBefore,
    /// The order is paid; nothing changed.
    AlreadyPaid(Payment),
    /// The order was paid and refunded; nothing changed.
    Refunded,
}

/// What a request for a refund led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundBegun {
    /// The caller's own refund is open: whoever gets this must ask the gateway.
    Started(Record),
    /// Somebody else's refund is under way: wait for it.
    InFlight(Record),
    /// No payment was ever begun for the order.
    NotFound,
    /// Nothing to give back.
    NotRefundable {
        /// The refund that took place, where one did.
        refund_no: Option<RefundNo>,
    },
}

/// What recording a gateway's final word led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It was new, and has been recorded.
    Moved(Record),
    /// The attempt was settled before; nothing changed.
    Stands(Record),
    /// The attempt is not the order's last one; nothing changed.
    Superseded,
}

/// What a [`Reschedule`] led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rescheduled {
    /// The check is the caller's until `next`.
    Won(Record),
    /// The check was moved meanwhile, or the attempt is settled.
    Lost,
}

impl Settled {
    /// Whether the gateway contradicts its earlier final word: a broken promise, and money that may
    /// have moved without a row to show it. An operator has to look into it.
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
