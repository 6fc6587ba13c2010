use platform::combiner::WriteError;
use platform::db::DbError;
use platform::error::{Class, Classify};
use platform::tasks::TaskError;
use types::{BookId, Code, OrderStatus, Violations};

use crate::clients::Unanswered;

/// Why a use case of this service did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OrderError {
    /// The request is wrong.
    #[error("malformed request: {0:?}")]
    Malformed(Violations),
    /// There is no such order, or callers cannot see it.
    #[error("no such order")]
    OrderNotFound,
    /// A book is missing or withdrawn.
    #[error("book {0} cannot be ordered")]
    BookNotFound(BookId),
    /// Too few copies of a book are free.
    #[error("a book is short")]
    InsufficientStock,
    /// The user's key was used before, with other parameters.
    #[error("the key made another order")]
    KeyConflict,
    /// The state machine has no such transition.
    #[error("no way from {from} to {to}")]
    IllegalTransition {
        /// Where the order stands.
        from: OrderStatus,
        /// Where it was to go.
        to: OrderStatus,
    },
    /// Inventory definitely refused, and not for lack of stock.
    #[error("inventory refused the order: {reason}")]
    CreateRefused {
        /// What it said.
        reason: String,
    },
    /// The gateway refused the charge; the order may be paid again.
    #[error("the charge was refused")]
    PaymentRefused,
    /// The order's money was given back before; it cannot be paid again.
    #[error("the payment was refunded")]
    PaymentRefunded,
    /// A read from another service was not answered; nothing happened.
    #[error("not answered")]
    NotRead(#[source] Unanswered),
    /// The creation was called off: there is no order and never will be, and nothing stays held.
    #[error("the creation was called off")]
    CalledOff(#[source] Option<Unanswered>),
    /// Another creation under the same key is still under way; nothing happened for this one.
    #[error("the key's first request is still under way")]
    StillCreating,
    /// It may have taken effect; where a repeat is safe, it tells whether it did.
    #[error("the outcome is not known")]
    OutcomeUnknown(#[source] Option<Unanswered>),
    /// A write failed, or its outcome is unknown; its own class says which.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] DbError),
}

impl From<Violations> for OrderError {
    fn from(violations: Violations) -> Self {
        Self::Malformed(violations)
    }
}

/// A use case that dies midway leaves its outcome to the workers.
impl From<TaskError> for OrderError {
    fn from(_: TaskError) -> Self {
        Self::OutcomeUnknown(None)
    }
}

impl Classify for OrderError {
    fn class(&self) -> Class {
        match self {
            Self::Malformed(violations) => Class::Malformed(violations.clone()),
            Self::OrderNotFound => Class::Refused(Code::OrderNotFound),
            Self::BookNotFound(_) => Class::Refused(Code::BookNotFound),
            Self::InsufficientStock => Class::Refused(Code::InsufficientStock),
            Self::KeyConflict => Class::Refused(Code::KeyConflict),
            Self::IllegalTransition { from, to } => Class::Refused(Code::IllegalTransition {
                from: *from,
                to: *to,
            }),
            Self::CreateRefused { .. } => Class::Refused(Code::CreateRefused),
            Self::PaymentRefused => Class::Refused(Code::PaymentRefused),
            Self::PaymentRefunded => Class::Refused(Code::PaymentRefunded),
            Self::NotRead(Unanswered { late: true, .. })
            | Self::CalledOff(Some(Unanswered { late: true, .. })) => Class::TooLate,
            Self::NotRead(_) | Self::CalledOff(_) | Self::StillCreating => Class::Unavailable,
            Self::OutcomeUnknown(cause) => Class::OutcomeUnknown {
                late: cause.as_ref().is_some_and(|cause| cause.late),
            },
            Self::Write(error) => error.class(),
            Self::Read(error) => error.class(),
        }
    }
}
