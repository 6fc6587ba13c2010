//! The boundary to whoever moves the money: one interface for the mock and for a real gateway.
//!
//! A gateway's answer is one of three in the type system: done, refused, unknown. Only the first
//! two can be written down; unknown is asked about again.

mod mock;
mod rate;
mod registry;

use async_trait::async_trait;
use types::{Fen, OrderId, PaymentNo, RefundNo};

use crate::domain::{ChargeResult, RefundResult, ThirdPartyNo};

pub use mock::{MockConfig, MockGateway};
pub use rate::Rate;
pub use registry::Gateways;

/// Somebody who moves money on the service's behalf.
///
/// What every implementation promises, and what the rest of this crate rests on:
///
/// - each call is idempotent by its `payment_no` or `refund_no`: the same number again moves no
///   more money and gets the first answer;
/// - a final answer never changes, whoever asks and however late;
/// - whatever is not certain is `Unknown`: a timeout, a broken connection, an answer that cannot
///   be read, a status nobody has heard of. Never `Refused`.
///
/// Calls may be cancelled at any await: the caller sets the timeout.
#[async_trait]
pub trait PaymentGateway: Send + Sync + 'static {
    /// Charges an order. Idempotent by `payment_no`.
    async fn charge(&self, request: &ChargeRequest) -> ChargeAnswer;

    /// Tells what became of the charge `payment_no`. Changes nothing.
    async fn query(&self, payment_no: &PaymentNo) -> QueryAnswer;

    /// Gives a charge back in full. Idempotent by `refund_no`.
    async fn refund(&self, request: &RefundRequest) -> RefundAnswer;
}

/// A charge to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeRequest {
    /// The attempt's number, and the gateway's idempotency key.
    pub payment_no: PaymentNo,
    /// What is paid for.
    pub order_id: OrderId,
    /// How much.
    pub amount: Fen,
}

/// A charge to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// The refund's number, and the gateway's idempotency key.
    pub refund_no: RefundNo,
    /// The number of the attempt that was charged.
    pub payment_no: PaymentNo,
    /// The gateway's number of the charge.
    pub third_party_no: Option<ThirdPartyNo>,
    /// How much; always the whole charge.
    pub amount: Fen,
}

/// What a gateway says to a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeAnswer {
    /// Settled, for ever.
    Final(ChargeResult),
    /// It may have happened: ask [`PaymentGateway::query`], never assume.
    Unknown {
        /// Why nobody knows; for the log.
        reason: String,
    },
}

/// What a gateway says to a question about a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryAnswer {
    /// Settled, for ever.
    Final(ChargeResult),
    /// The charge has not arrived. It still may, so it does not count as refused: charging again
    /// under the same number settles it.
    NotSeen,
    /// Nobody knows yet.
    Unknown {
        /// Why nobody knows; for the log.
        reason: String,
    },
}

/// What a gateway says to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundAnswer {
    /// Settled, for ever.
    Final(RefundResult),
    /// It may have happened: ask again under the same number.
    Unknown {
        /// Why nobody knows; for the log.
        reason: String,
    },
}
