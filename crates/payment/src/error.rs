use platform::combiner::WriteError;
use platform::db::DbError;
use platform::error::{Class, Classify};
use platform::tasks::TaskError;
use types::{Code, Violations};

/// Why a call was not done, or may not have been.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PaymentError {
    /// A business refusal.
    #[error("refused: {0:?}")]
    Refused(Code),
    /// The request is wrong in itself.
    #[error("malformed request")]
    Malformed(Violations),
    /// The gateway had not given its word when the caller's deadline passed. The attempt stays
    /// open, and is settled without the caller.
    #[error("the gateway has not answered yet")]
    StillOpen,
    /// The combiner did not carry out a write or a read, or may not have.
    #[error("not carried out")]
    Write(#[from] WriteError),
    /// The database did not answer.
    #[error("cannot read")]
    Db(#[from] DbError),
    /// The task that did the work died.
    #[error("the work was not finished")]
    Task(#[from] TaskError),
}

impl Classify for PaymentError {
    fn class(&self) -> Class {
        match self {
            Self::Refused(code) => Class::Refused(*code),
            Self::Malformed(violations) => Class::Malformed(violations.clone()),
            Self::StillOpen => Class::OutcomeUnknown { late: true },
            Self::Write(error) => error.class(),
            Self::Db(error) => error.class(),
            Self::Task(error) => error.class(),
        }
    }
}
