use std::io::ErrorKind;

use mysql_async::{Error, IoError};

use super::text::OUT_OF_RANGE;
use crate::db::DbError;
use crate::tls;

/// What an error means for a transaction whose commit was not reached: nothing has happened.
pub(super) fn before_commit(error: Error) -> DbError {
    let server = match error {
        Error::Server(server) => server,
        broken => return DbError::Unavailable(broken.to_string()),
    };
    let text = format!("{} ({})", server.message, server.code);
    match server.code {
        // Record changed since last read, found by this program's own check or by the server; lock wait
        // timeout, deadlock, query interrupted.
        // No room for locks.
        OUT_OF_RANGE | 1020 | 1205 | 1206 | 1213 | 1317 => DbError::Contention(text),
        1062 => DbError::Duplicate {
            index: index_of(&server.message),
        },
        // No such database, access denied; too many connections, in all or of this user.
        1044 | 1045 | 1049 | 1040 | 1203 | 1226
        // Shutdown, killed, idle for too long, not ready (Galera), host blocked, took too long (MySQL, MariaDB).
        | 1053 | 1927 | 4031 | 1047 | 1129 | 1130 | 3024 | 1969
        // Disk full, an error of the engine or of a file, table full, out of memory, no threads, read-only.
        | 1021 | 1030 | 1026 | 1114 | 1037 | 1038 | 1041 | 1135 | 1290 | 1836
        // The packets between here and there.
        | 1158..=1161 => DbError::Unavailable(text),
        _ => DbError::Broken(text),
    }
}

/// Why there is no connection, and what to do about it where that is known.
pub(super) fn connecting(error: Error) -> DbError {
    if let Some(mistake) = tls::explain(&error) {
        return DbError::Unavailable(mistake);
    }
    let server = match error {
        Error::Server(server) => server,
        // A port that nobody listens at, or a socket; a socket that is not there.
        Error::Io(IoError::Io(error))
            if matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound
            ) =>
        {
            return DbError::Unavailable(format!("no server answers there: {error}"));
        }
        Error::Io(IoError::Io(error)) => return DbError::Unavailable(error.to_string()),
        other => return DbError::Unavailable(other.to_string()),
    };
    let remedy = match server.code {
        1040 => "raise max_connections, or run fewer processes",
        1044 => "grant this user its rights, as deploy/mysql/init.sql does",
        1045 | 1698 => "wrong user or password",
        1049 => "make it, with CHARACTER SET utf8mb4, as deploy/mysql/init.sql does",
        1130 => "the server lets nobody in from this host",
        _ => return before_commit(Error::Server(server)),
    };
    let (message, code) = (server.message, server.code);
    DbError::Unavailable(format!("{message} ({code}): {remedy}"))
}

/// What an error in answer to a COMMIT means: an unknown outcome, unless the server says for certain that
/// it rolled the transaction back.
pub(super) fn at_commit(error: Error) -> DbError {
    match &error {
        // Record changed since last read, lock wait timeout, deadlock; duplicates, on servers that look for
        // them at the end. An interruption, or a storage engine that failed midway, leaves it open.
        Error::Server(server) if matches!(server.code, 1020 | 1205 | 1213 | 1062) => {
            before_commit(error)
        }
        _ => DbError::OutcomeUnknown(format!("at the commit: {error}")),
    }
}

/// `Duplicate entry '…' for key 'books.books_isbn_key'` names the index last.
fn index_of(message: &str) -> String {
    let mut quoted = message.rsplit('\'');
    quoted.nth(1).unwrap_or(message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_was_not_rolled_back_for_certain_is_in_doubt() {
        let said = |code| {
            let (message, state) = ("why".to_owned(), "HY000".to_owned());
            at_commit(Error::Server(mysql_async::ServerError {
                code,
                message,
                state,
            }))
        };
        for code in [1020, 1205, 1213] {
            assert!(matches!(said(code), DbError::Contention(_)), "{code}");
        }
        // Interrupted, connection killed, an engine's error during COMMIT, out of disk, read-only.
        for code in [1317, 1927, 1180, 1030, 1290] {
            assert!(matches!(said(code), DbError::OutcomeUnknown(_)), "{code}");
        }
    }

    #[test]
    fn the_index_is_read_from_the_message() {
        let message = "Duplicate entry 'it''s' for key 'books.books_isbn_key'";
        assert_eq!(index_of(message), "books.books_isbn_key");
    }
}
