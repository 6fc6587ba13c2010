//! Whether a server lets this program keep its guarantees.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::error::before_commit;
use crate::db::DbError;

/// The oldest releases whose behaviour is known: MySQL 8.0, MariaDB 10.6.
const MYSQL_MIN: (u16, u16) = (8, 0);
const MARIADB_MIN: (u16, u16) = (10, 6);

const READ_SETTINGS: &str = "SELECT @@version, @@session.sql_mode, @@session.time_zone, \
     @@character_set_connection, @@session.autocommit, @@innodb_flush_log_at_trx_commit, \
     @@log_bin, @@sync_binlog";

/// The character set of tables that name none, and columns that cannot hold every text. The table of
/// migrations does not matter: its names are ASCII.
const READ_CHARSET: &str = "SELECT @@character_set_database, DATABASE()";
const READ_WRONG_COLUMNS: &str = "SELECT table_name, column_name, character_set_name
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name <> 'schema_migrations'
        AND character_set_name NOT IN ('utf8mb4', 'ascii', 'binary')
    ORDER BY table_name, column_name LIMIT 3";

/// A server, and what is wrong with it.
pub(in crate::db) struct Found {
    /// As `MariaDB 10.11.19`.
    pub(in crate::db) name: String,
    /// One line each, with what to do; empty if nothing is wrong.
    pub(in crate::db) mistakes: Vec<String>,
}

/// Checks whether a server is too old, ignores its session settings, or loses what it acknowledged.
pub(super) async fn examine(connection: &mut Conn) -> Result<Found, DbError> {
    let row: Option<Row> = connection
        .query_first(READ_SETTINGS)
        .await
        .map_err(before_commit)?;
    let row = row.ok_or_else(|| DbError::corrupt("the server does not tell its settings"))?;
    let text = |column: usize| row.get::<String, _>(column).unwrap_or_default();
    let release = Release::read(&text(0));
    let told = [
        ("sql_mode", text(1), "STRICT_ALL_TABLES"),
        ("time_zone", text(2), "+00:00"),
        ("character_set_connection", text(3), "utf8mb4"),
        ("autocommit", text(4), "1"),
    ];
    let mut mistakes: Vec<String> = release.mistake().into_iter().collect();
    for (setting, value, wanted) in told {
        if !value.contains(wanted) {
            mistakes.push(format!(
                "{setting} stays '{value}' although this program set {wanted}: let no proxy swallow SET"
            ));
        }
    }
    let number = |column: usize| row.get::<i64, _>(column).unwrap_or_default();
    let (flushes, has_binlog, syncs) = (number(5), number(6) != 0, number(7));
    // TiDB has these settings in name alone.
    if flushes != 1 && !release.is_tidb {
        mistakes.push(format!(
            "innodb_flush_log_at_trx_commit is {flushes}, so a power cut loses acknowledged orders: \
             set it to 1"
        ));
    }
    // With a binary log it is that log which says, after a crash, what was committed.
    if has_binlog && syncs != 1 && !release.is_tidb {
        mistakes.push(format!(
            "sync_binlog is {syncs} and there is a binary log, so a power cut loses acknowledged \
             orders: set it to 1"
        ));
    }
    Ok(Found {
        name: release.name(),
        mistakes,
    })
}

/// Finds what would lose characters: a database, or columns, that are not utf8mb4.
///
/// Not checked at start: this release's own tables name their character set, whatever the database's default is.
pub(super) async fn find_wrong_charsets(connection: &mut Conn) -> Result<Vec<String>, DbError> {
    let mut mistakes = Vec::new();
    let default: Option<(String, String)> = connection
        .query_first(READ_CHARSET)
        .await
        .map_err(before_commit)?;
    if let Some((charset, name)) = default
        && charset != "utf8mb4"
    {
        mistakes.push(format!(
            "the database's character set is {charset}: ALTER DATABASE {name} CHARACTER SET utf8mb4 \
             COLLATE utf8mb4_bin"
        ));
    }
    let columns: Vec<(String, String, String)> = connection
        .query(READ_WRONG_COLUMNS)
        .await
        .map_err(before_commit)?;
    for (table, column, charset) in columns {
        mistakes.push(format!(
            "{table}.{column} is {charset} and loses characters: make it utf8mb4"
        ));
    }
    Ok(mistakes)
}

/// What a server's version says.
struct Release {
    is_mariadb: bool,
    is_tidb: bool,
    text: String,
    /// Major and minor.
    numbers: (u16, u16),
}

impl Release {
    fn read(version: &str) -> Self {
        // Old MariaDB protocols put a false 5.5.5- in front.
        let number = version.strip_prefix("5.5.5-").unwrap_or(version);
        let mut parts = number
            .split(['.', '-'])
            .map(|part| part.parse::<u16>().unwrap_or(0));
        Self {
            is_mariadb: version.contains("MariaDB"),
            is_tidb: version.contains("TiDB"),
            text: number.to_owned(),
            numbers: (parts.next().unwrap_or(0), parts.next().unwrap_or(0)),
        }
    }

    fn name(&self) -> String {
        if self.is_mariadb {
            // The rest of it says MariaDB once more, and how it was packaged.
            format!(
                "MariaDB {}",
                self.text.split('-').next().unwrap_or_default()
            )
        } else {
            format!("MySQL {}", self.text)
        }
    }

    fn mistake(&self) -> Option<String> {
        let oldest = if self.is_mariadb {
            MARIADB_MIN
        } else {
            MYSQL_MIN
        };
        let (major, minor) = oldest;
        let mistake = || {
            format!(
                "{} is too old: {major}.{minor} or later is needed",
                self.name()
            )
        };
        (self.numbers < oldest).then(mistake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_refused_by_name() {
        let fine = [
            "8.0.36",
            "9.7.0",
            "10.11.19-MariaDB-log",
            "5.5.5-10.6.2-MariaDB",
            "8.0.11-TiDB-v7.5.0",
        ];
        for version in fine {
            assert_eq!(Release::read(version).mistake(), None, "{version}");
        }
        for version in [
            "5.7.44",
            "10.5.23-MariaDB",
            "5.5.5-10.3.1-MariaDB",
            "rubbish",
        ] {
            let mistake = Release::read(version).mistake().unwrap();
            assert!(mistake.contains("too old"), "{mistake}");
        }
    }
}
