use crate::OrderStatus;

/// A business answer: what gRPC replies carry in `code` beside status OK.
///
/// The number is the interface; the texts live in `api::messages`, by language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// 40100: too few copies are free, or the book was never stocked.
    InsufficientStock,
    /// 40400: no such book, or an unpublished one where it is ordered.
    BookNotFound,
    /// 40401: no such order.
    OrderNotFound,
    /// 40402: the book was never stocked.
    StockNotFound,
    /// 40900: the state machine has no such transition.
    IllegalTransition {
        /// The state the order is in.
        from: OrderStatus,
        /// The state that was asked for.
        to: OrderStatus,
    },
    /// 40901: the idempotency key was used before, with other parameters or by another method.
    KeyConflict,
    /// 40902: a release of more than is outstanding.
    ReleaseExceedsDeducted,
    /// 40903: a book with that id exists.
    BookIdExists,
    /// 40903: a book with that ISBN exists.
    IsbnExists,
    /// 40904: the hold was released before the deduction arrived.
    DeductionCancelled,
    /// 50002: a step of the saga was refused for certain, for a reason with no code of its own.
    CreateRefused,
    /// 1: the gateway refused the charge.
    PaymentRefused,
    /// 1: a payment for an order that was refunded.
    PaymentRefunded,
    /// 1: no payment was ever made for the order.
    PaymentNotFound,
    /// 1: nothing to refund: the order is not paid, or was refunded already.
    NotRefundable,
    /// 1: the gateway refused the refund; the payment stands.
    RefundRefused,
}

impl Code {
    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::PaymentRefused
            | Self::PaymentRefunded
            | Self::PaymentNotFound
            | Self::NotRefundable
            | Self::RefundRefused => 1,
            Self::InsufficientStock => 40100,
            Self::BookNotFound => 40400,
            Self::OrderNotFound => 40401,
            Self::StockNotFound => 40402,
            Self::IllegalTransition { .. } => 40900,
            Self::KeyConflict => 40901,
            Self::ReleaseExceedsDeducted => 40902,
            Self::BookIdExists | Self::IsbnExists => 40903,
            Self::DeductionCancelled => 40904,
            Self::CreateRefused => 50002,
        }
    }

    /// Every code once, with an example transition for 40900: for documents and completeness tests.
    pub const ALL: [Self; 16] = [
        Self::PaymentRefused,
        Self::PaymentRefunded,
        Self::PaymentNotFound,
        Self::NotRefundable,
        Self::RefundRefused,
        Self::InsufficientStock,
        Self::BookNotFound,
        Self::OrderNotFound,
        Self::StockNotFound,
        Self::IllegalTransition {
            from: OrderStatus::Shipped,
            to: OrderStatus::Cancelled,
        },
        Self::KeyConflict,
        Self::ReleaseExceedsDeducted,
        Self::BookIdExists,
        Self::IsbnExists,
        Self::DeductionCancelled,
        Self::CreateRefused,
    ];
}
