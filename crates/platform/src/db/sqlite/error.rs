use crate::db::DbError;

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
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
