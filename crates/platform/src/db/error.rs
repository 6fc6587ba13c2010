use crate::error::{Class, Classify};

/// What went wrong at a database, by what it means for the unit of work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// Other transactions were in the way (busy, deadlock, lock wait), even after retries; nothing happened.
    #[error("contention: {0}")]
    Contention(String),
    /// The database is out of reach, full or read-only; nothing happened.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// There is no certain answer to the commit (the connection was lost, the disk failed, the writer
    /// died): it may have happened.
    #[error("outcome unknown: {0}")]
    OutcomeUnknown(String),
    /// A unique index refused a row; nothing happened.
    #[error("duplicate in {index}")]
    Duplicate {
        /// The index or its columns, as the database names them.
        index: String,
    },
    /// A stored value is not what it should be.
    #[error("corrupt data: {0}")]
    Corrupt(String),
    /// SQL that the database rejects: a bug of this program.
    #[error("broken statement: {0}")]
    Broken(String),
}

impl DbError {
    /// A stored value, named by table and column, that cannot be read as its type.
    pub fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    /// Whether a table is missing, by SQLite's message or the code of a MySQL-protocol server.
    pub fn says_no_table(&self) -> bool {
        let none = |why: &String| why.contains("no such table") || why.contains("(1146)");
        matches!(self, Self::Broken(why) if none(why))
    }
}

impl Classify for DbError {
    fn class(&self) -> Class {
        match self {
            Self::Contention(_) | Self::Unavailable(_) => Class::Unavailable,
            Self::OutcomeUnknown(_) => Class::OutcomeUnknown { late: false },
            Self::Duplicate { .. } | Self::Corrupt(_) | Self::Broken(_) => Class::Bug,
        }
    }
}
