use platform::combiner::WriteError;
use platform::db::DbError;
use platform::error::{Class, Classify};
use types::{Code, Violations};

use crate::domain::Refusal;

/// Why a use case has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    /// The request is wrong in itself.
    #[error("malformed request")]
    Malformed(Violations),
    /// The rules refuse; nothing happened.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// The operation was not applied, or may not have been.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] DbError),
    /// One of several operations in the same call has no answer, for this reason.
    #[error("one of several has no answer")]
    SomeUnanswered(#[source] Box<InventoryError>),
    /// The store answered one operation with the answer of another.
    #[error("an answer of another kind than was asked for")]
    WrongAnswer,
}

impl From<Violations> for InventoryError {
    fn from(violations: Violations) -> Self {
        Self::Malformed(violations)
    }
}

impl Classify for InventoryError {
    fn class(&self) -> Class {
        match self {
            Self::Malformed(violations) => Class::Malformed(violations.clone()),
            Self::Refused(refusal) => class_of(*refusal),
            Self::Write(error) => error.class(),
            Self::Read(error) => error.class(),
            Self::SomeUnanswered(error) => Class::OutcomeUnknown {
                late: matches!(
                    error.class(),
                    Class::TooLate | Class::OutcomeUnknown { late: true }
                ),
            },
            Self::WrongAnswer => Class::Bug,
        }
    }
}

fn class_of(refusal: Refusal) -> Class {
    match refusal {
        Refusal::KeyConflict => Class::Refused(Code::KeyConflict),
        Refusal::Cancelled => Class::Refused(Code::DeductionCancelled),
        Refusal::Insufficient { .. } => Class::Refused(Code::InsufficientStock),
        Refusal::StockNotFound => Class::Refused(Code::StockNotFound),
        Refusal::ReleaseExceedsDeducted => Class::Refused(Code::ReleaseExceedsDeducted),
        Refusal::TooManyCopies => Class::Malformed(Violations::one(
            "quantity",
            format!(
                "must leave at most {} copies, free and reserved together",
                i32::MAX
            ),
        )),
        Refusal::Inconsistent { .. } => Class::Bug,
    }
}
