use types::{
    BookId, Fen, Fingerprint, IdempotencyKey, OrderId, OrderNo, PaymentNo, Quantity, RefundNo,
    UnixMillis, UserId,
};

use super::Stage;

/// An order without its items: what every rule decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id, the one payments are made for.
    pub id: OrderId,
    /// Its number, the one people quote, and the key of its hold in inventory.
    pub order_no: OrderNo,
    /// Who ordered.
    pub user_id: UserId,
    /// What is to be paid.
    pub total: Fen,
    /// Where it stands.
    pub stage: Stage,
    /// When it was written down.
    pub created_at: UnixMillis,
    /// When it last changed its stage.
    pub updated_at: UnixMillis,
    /// While creating: the end of the creator's lease. From PENDING on: the deadline of payment.
    pub expire_at: UnixMillis,
    /// The key it was requested under; freed when the order is abandoned.
    pub request: Option<RequestKey>,
    /// The payment that paid it, or that came too late or with the wrong amount.
    pub payment: Option<PaymentRef>,
    /// Whether that payment is being, or has been, refunded.
    pub refunded: bool,
    /// Why it was cancelled.
    pub cancelled: Option<CancelCause>,
}

impl Order {
    /// The number of the refund, where there is one.
    pub fn refund_no(&self) -> Option<RefundNo> {
        let payment = self.payment.as_ref().filter(|_| self.refunded)?;
        Some(RefundNo::of(&payment.payment_no))
    }
}

/// One book of an order, as it was when the order was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The book.
    pub book_id: BookId,
    /// Its title then.
    pub book_title: String,
    /// How many copies.
    pub quantity: Quantity,
    /// What one copy cost then.
    pub price: Fen,
}

/// An order with its items, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderDetail {
    /// The order.
    pub order: Order,
    /// Its items, in the order they were asked for.
    pub items: Vec<Item>,
}

/// An idempotency key with what was asked for under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller's key; each user has keys of their own.
    pub key: IdempotencyKey,
    /// The parameters it came with.
    pub fingerprint: Fingerprint,
}

/// The payment that belongs to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRef {
    /// The payment service's number.
    pub payment_no: PaymentNo,
    /// The gateway's number; unknown while only the feed has reported the payment.
    pub third_party_no: Option<String>,
}

/// Why an order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelCause {
    /// A caller asked for it, in these words (maybe none).
    Asked(String),
    /// Its deadline passed unpaid.
    Expired,
    /// Money of the wrong amount arrived for it.
    WrongAmount,
    /// Its payment was refunded at the payment service.
    Refunded,
}

impl CancelCause {
    /// The number in the database; 0 stands for "not cancelled".
    pub const fn number(&self) -> i32 {
        match self {
            Self::Asked(_) => 1,
            Self::Expired => 2,
            Self::WrongAmount => 3,
            Self::Refunded => 4,
        }
    }

    /// The caller's words; empty for every other cause.
    pub fn words(&self) -> &str {
        match self {
            Self::Asked(words) => words,
            Self::Expired | Self::WrongAmount | Self::Refunded => "",
        }
    }

    /// Reads the number and the words back; `None` where the number is no cause.
    pub fn from_parts(number: i64, words: String) -> Option<Self> {
        match number {
            1 => Some(Self::Asked(words)),
            2 => Some(Self::Expired),
            3 => Some(Self::WrongAmount),
            4 => Some(Self::Refunded),
            _ => None,
        }
    }
}
