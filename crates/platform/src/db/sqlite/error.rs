use rusqlite::ErrorCode;

use crate::db::DbError;

/// What the error of a COMMIT means. Where the disk failed, the end of the log may be on it all the same: a process
/// that dies now would find the transaction committed.
pub(super) fn at_commit(error: rusqlite::Error) -> DbError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => DbError::OutcomeUnknown(error.to_string()),
        // Before anything of the transaction was valid.
        _ => error.into(),
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        let Some(code) = error.sqlite_error_code() else {
            return Self::Broken(text);
        };
        match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Contention(text),
            ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory => Self::Unavailable(text),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt(text),
            ErrorCode::ConstraintViolation => {
                match text.strip_prefix("UNIQUE constraint failed: ") {
                    Some(index) => Self::Duplicate {
                        index: index.to_owned(),
                    },
                    None => Self::Broken(text),
                }
            }
            // Everything else is a statement that should not have been sent.
            _ => Self::Broken(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_the_disk_failed_is_in_doubt() {
        let failed = |code| {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            at_commit(error)
        };
        // SQLITE_IOERR_FSYNC, and SQLITE_IOERR itself.
        for code in [1034, 10] {
            assert!(matches!(failed(code), DbError::OutcomeUnknown(_)), "{code}");
        }
        // Full, busy.
        assert!(matches!(failed(13), DbError::Unavailable(_)));
        assert!(matches!(failed(5), DbError::Contention(_)));
    }
}
