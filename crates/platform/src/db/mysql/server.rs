//! Whether a server is one that this program can keep its promises on.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::error::before_commit;
use crate::db::DbError;

/// The oldest releases whose behaviour is known: MySQL 8.0, MariaDB 10.6.
const MYSQL_MIN: (u16, u16) = (8, 0);
const MARIADB_MIN: (u16, u16) = (10, 6);

const READ_SETTINGS: &str = "SELECT @@version, @@session.sql_mode, @@session.time_zone, \
     @@character_set_connection, @@innodb_flush_log_at_trx_commit";

/// Refuses a server that is too old, or that loses what it acknowledged; answers its name, as
/// `MariaDB 10.11.19`.
pub(super) async fn verify(connection: &mut Conn) -> Result<String, DbError> {
    let row: Option<Row> = connection
        .query_first(READ_SETTINGS)
        .await
        .map_err(before_commit)?;
    let row = row.ok_or_else(|| DbError::corrupt("the server does not tell its settings"))?;
    let text = |column: usize| row.get::<String, _>(column).unwrap_or_default();
    let version = text(0);
    let name = check_version(&version)?;
    if !text(1).contains("STRICT_ALL_TABLES") {
        return Err(DbError::Unavailable(format!(
            "sql_mode is not strict: {}",
            text(1)
        )));
    }
    if text(2) != "+00:00" {
        return Err(DbError::Unavailable(format!(
            "time_zone is not UTC: {}",
            text(2)
        )));
    }
    if text(3) != "utf8mb4" {
        return Err(DbError::Unavailable(format!(
            "character set is not utf8mb4: {}",
            text(3)
        )));
    }
    if row.get::<i64, _>(4).unwrap_or_default() != 1 && !version.contains("TiDB") {
        // An acknowledged order must survive a power cut.
        let reason = "innodb_flush_log_at_trx_commit is not 1: acknowledged writes could be lost";
        return Err(DbError::Unavailable(reason.to_owned()));
    }
    Ok(name)
}

fn check_version(version: &str) -> Result<String, DbError> {
    let is_mariadb = version.contains("MariaDB");
    // Old MariaDB protocols put a false 5.5.5- in front.
    let number = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = number
        .split(['.', '-'])
        .map(|part| part.parse::<u16>().unwrap_or(0));
    let release = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let (kind, oldest) = if is_mariadb {
        ("MariaDB", MARIADB_MIN)
    } else {
        ("MySQL", MYSQL_MIN)
    };
    if release < oldest {
        let (major, minor) = oldest;
        let reason = format!("{kind} {number} is too old: {major}.{minor} or later is needed");
        return Err(DbError::Unavailable(reason));
    }
    Ok(format!("{kind} {number}"))
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
            assert!(check_version(version).is_ok(), "{version}");
        }
        for version in [
            "5.7.44",
            "10.5.23-MariaDB",
            "5.5.5-10.3.1-MariaDB",
            "rubbish",
        ] {
            assert!(check_version(version).is_err(), "{version}");
        }
    }
}
