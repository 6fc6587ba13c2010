//! What this service needs of the other three: a small trait each, and its gRPC implementation.
//!
//! The result of a call that changes something is one of three, in its type: done, definitely
//! refused, or unknown; and nothing here ever turns an unknown one into one of the others.

mod catalog;
mod inventory;
mod payment;
mod shared_deductions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use platform::context::CallContext;
use platform::net::CallError;
use types::{BookId, Fen, OrderId, OrderNo, PaymentStatus};

use crate::domain::{FeedEvent, Line, Quote, Receipt};

pub use catalog::CatalogGrpc;
pub use inventory::InventoryGrpc;
pub use payment::PaymentGrpc;

/// The longest that one call between services may take.
pub const CALL_LIMIT: Duration = Duration::from_secs(3);

/// A call without an answer: it may have been carried out, or may yet be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service}: {reason}")]
pub struct Unanswered {
    /// Who was asked.
    pub service: &'static str,
    /// What is known of the cause.
    pub reason: String,
    /// Whether it was the deadline that ended the wait.
    pub late: bool,
}

/// What became of an effect that a task asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It is done; also where it had been done before.
    Done,
    /// It was definitely refused.
    Refused(String),
    /// It may have been done, or may yet be.
    Unknown(Unanswered),
}

/// What became of a deduction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deduction {
    /// All of it is held; also where it had been deducted before.
    Held,
    /// This book is short, or one that the answer does not name, and nothing is held.
    Short(Option<BookId>),
    /// The hold was released before this deduction arrived, and nothing is held.
    Fenced,
    /// It was refused for another reason, and nothing is held.
    Refused(String),
    /// It may be held, now or later.
    Unknown(Unanswered),
}

/// What became of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// The order is paid, now or before; maybe by another charge, of another amount.
    Paid,
    /// The charge was refused, or the payment had been refunded.
    Refused,
    /// There is no such payment method.
    NoSuchMethod,
    /// The order may have been paid, or may yet be.
    Unknown(Unanswered),
}

/// An order's payment as the payment service has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentState {
    /// Its number, the gateway's number and its amount.
    pub receipt: Receipt,
    /// Where it stands.
    pub status: PaymentStatus,
}

/// Events of the payment feed, in order, without end.
pub type PaymentFeed = BoxStream<'static, Result<FeedEvent, Unanswered>>;

/// What orders need of the catalog.
#[async_trait]
pub trait CatalogClient: Send + Sync + 'static {
    /// The books as they are now, without those that do not exist; others may be among them.
    async fn read_books(
        &self,
        context: &CallContext,
        books: &[BookId],
    ) -> Result<Arc<[Quote]>, Unanswered>;
}

/// What orders need of the inventory. The order's number is the key of its hold.
#[async_trait]
pub trait InventoryClient: Send + Sync + 'static {
    /// Deducts all lines or none.
    async fn deduct(
        &self,
        context: &CallContext,
        order_no: &OrderNo,
        order_id: OrderId,
        lines: &[Line],
    ) -> Deduction;

    /// How many copies of the book are free; 0 if it was never stocked.
    async fn read_free(&self, context: &CallContext, book: BookId) -> Result<i32, Unanswered>;

    /// Gives back what is held, and fences the hold against a late deduction.
    async fn release(&self, context: &CallContext, order_no: &OrderNo) -> Effect;

    /// Commits what is held: it has left.
    async fn commit(&self, context: &CallContext, order_no: &OrderNo) -> Effect;
}

/// What orders need of payment. The order's id is the key of its payment.
#[async_trait]
pub trait PaymentClient: Send + Sync + 'static {
    /// Charges the order, if it is not paid.
    async fn pay(
        &self,
        context: &CallContext,
        order_id: OrderId,
        amount: Fen,
        method: &str,
    ) -> Charge;

    /// The order's payment; `None` where there never was one.
    async fn read_payment(
        &self,
        context: &CallContext,
        order_id: OrderId,
    ) -> Result<Option<PaymentState>, Unanswered>;

    /// Gives the order's money back, if that has not been done.
    async fn refund(&self, context: &CallContext, order_id: OrderId) -> Effect;

    /// Follows the feed from the event after `after_event_id` on.
    async fn watch(&self, after_event_id: u64) -> Result<PaymentFeed, Unanswered>;
}

/// Drops the difference between a call that was definitely not carried out and one that may have been, for callers that
/// need not know it.
fn unanswered(service: &'static str, error: CallError) -> Unanswered {
    match error {
        CallError::Rejected(status) => Unanswered {
            service,
            reason: status.to_string(),
            late: false,
        },
        CallError::Unknown { reason, late } => Unanswered {
            service,
            reason,
            late,
        },
    }
}

/// An answer that does not keep the contract.
fn nonsense(service: &'static str, what: &str) -> Unanswered {
    Unanswered {
        service,
        reason: format!("an answer with {what}"),
        late: false,
    }
}
