use types::{Fen, OrderId, PaymentNo, PaymentStatus, UnixMillis};

/// One settled change of a payment, as the feed reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the feed: 1, 2, 3 … without a gap.
    pub id: u64,
    /// The order that was paid, refused or refunded.
    pub order_id: OrderId,
    /// The attempt that did it.
    pub payment_no: PaymentNo,
    /// The money that moved, or would have.
    pub amount: Fen,
    /// PAID, FAILED or REFUNDED.
    pub status: PaymentStatus,
    /// When it was written down.
    pub created_at: UnixMillis,
}
