use platform::combiner::WriteError;
use platform::db::DbError;
use platform::deadline::DeadlinePassed;
use platform::error::{Class, Classify};
use platform::tasks::TaskError;
use types::Violations;

use crate::domain::Refusal;

/// Why a call of the catalog did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// The request is wrong in itself.
    #[error("bad request: {0:?}")]
    Malformed(Violations),
    /// A business refusal.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// A change could not be made, or may not have been.
    #[error("write failed")]
    Write(#[source] WriteError),
    /// Books could not be read.
    #[error("read failed")]
    Load(#[source] WriteError),
    /// A list could not be read.
    #[error("read failed")]
    List(#[source] DbError),
    /// The task of a search died.
    #[error("search failed")]
    Search(#[from] TaskError),
    /// The caller's deadline passed during a read.
    #[error("read took too long")]
    Late(#[from] DeadlinePassed),
}

impl From<Violations> for CatalogError {
    fn from(violations: Violations) -> Self {
        Self::Malformed(violations)
    }
}

impl From<Refusal> for CatalogError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Classify for CatalogError {
    fn class(&self) -> Class {
        match self {
            Self::Malformed(violations) => Class::Malformed(violations.clone()),
            Self::Refused(refusal) => Class::Refused(refusal.code()),
            Self::Write(error) => error.class(),
            Self::Load(error) => class_of_read(error.class()),
            Self::List(error) => class_of_read(error.class()),
            Self::Search(_) => Class::Bug,
            Self::Late(DeadlinePassed) => Class::TooLate,
        }
    }
}

/// A read has no effect, so its outcome is never unknown.
fn class_of_read(class: Class) -> Class {
    match class {
        Class::OutcomeUnknown { late: true } => Class::TooLate,
        Class::OutcomeUnknown { late: false } => Class::Unavailable,
        Class::Refused(_)
        | Class::Malformed(_)
        | Class::Unavailable
        | Class::TooLate
        | Class::Bug => class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_outcome_is_one_of_writes_alone() {
        let lost = || WriteError::Db(DbError::OutcomeUnknown("connection lost".to_owned()));
        assert_eq!(
            CatalogError::Write(lost()).class(),
            Class::OutcomeUnknown { late: false }
        );
        assert_eq!(CatalogError::Load(lost()).class(), Class::Unavailable);
        assert_eq!(
            CatalogError::Load(WriteError::TooLate).class(),
            Class::TooLate
        );
    }
}
