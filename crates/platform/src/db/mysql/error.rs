use mysql_async::Error;

use crate::db::DbError;

/// What an error means for a transaction whose commit was not sent yet: nothing has happened.
pub(super) fn before_commit(error: Error) -> DbError {
    let server = match error {
        Error::Server(server) => server,
        broken => return DbError::Unavailable(broken.to_string()),
    };
    let text = format!("{} ({})", server.message, server.code);
    match server.code {
        // Record changed since last read, lock wait timeout, deadlock, query interrupted.
        1020 | 1205 | 1213 | 1317 => DbError::Contention(text),
        1062 => DbError::Duplicate {
            index: index_of(&server.message),
        },
        // No such database, access denied, too many connections, shutdown, killed, disk full, table
        // full, read-only, host blocked.
        1044 | 1045 | 1049 | 1040 | 1053 | 1927 | 1021 | 1114 | 1290 | 1129 | 1130 | 1836
        | 3024 => DbError::Unavailable(text),
        _ => DbError::Broken(text),
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
    fn the_index_is_read_from_the_message() {
        let message = "Duplicate entry 'it''s' for key 'books.books_isbn_key'";
        assert_eq!(index_of(message), "books.books_isbn_key");
    }
}
