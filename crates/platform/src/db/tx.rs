use super::mysql::MysqlConnection;
use super::sqlite::SqliteConnection;
use super::{DbError, Row, Value};

/// The longest `IN (…)` list of one statement.
const IN_LIST_LEN_MAX: usize = 512;

/// A connection inside a transaction: what a unit of work works with.
pub struct Tx {
    connection: Connection,
}

enum Connection {
    Sqlite(SqliteConnection),
    Mysql(MysqlConnection),
}

impl Tx {
    pub(super) const fn sqlite(connection: SqliteConnection) -> Self {
        Self {
            connection: Connection::Sqlite(connection),
        }
    }

    pub(super) const fn mysql(connection: MysqlConnection) -> Self {
        Self {
            connection: Connection::Mysql(connection),
        }
    }

    /// Runs a statement that answers rows.
    pub async fn query(&mut self, sql: &str, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.query(sql, args),
            Connection::Mysql(connection) => connection.query(sql, args).await,
        }
    }

    /// Runs a statement that answers nothing but how many rows it matched.
    pub async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64, DbError> {
        self.execute_each(sql, vec![args]).await
    }

    /// Runs one statement once for each list of arguments, in as few round trips as may be;
    /// answers how many rows were matched in all.
    pub async fn execute_each(&mut self, sql: &str, each: Vec<Vec<Value>>) -> Result<u64, DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.execute_each(sql, each),
            Connection::Mysql(connection) => connection.execute_each(sql, each).await,
        }
    }

    /// Inserts rows: `insert` ends before the first row (`INSERT INTO t (a, b) VALUES`).
    pub async fn insert_rows(
        &mut self,
        insert: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.insert_rows(insert, rows),
            Connection::Mysql(connection) => connection.insert_rows(insert, rows).await,
        }
    }

    /// Runs `before (…list…) after` for a list of any length; an empty list finds no rows.
    ///
    /// Lists are cut into pieces and padded to a few lengths, so that statement caches hold them.
    /// Rows come piece by piece: an `ORDER BY` in `after` orders each piece; sort `list` to have
    /// pieces, and so locks, in order.
    pub async fn query_in(
        &mut self,
        before: &str,
        list: Vec<Value>,
        after: &str,
    ) -> Result<Vec<Row>, DbError> {
        let mut answer = Vec::new();
        for piece in list.chunks(IN_LIST_LEN_MAX) {
            let padded = padded(piece);
            let sql = format!("{before} ({}) {after}", placeholders(padded.len()));
            answer.append(&mut self.query(&sql, padded).await?);
        }
        Ok(answer)
    }

    /// What a reading statement ends with that locks its rows until the transaction ends. SQLite has
    /// one writer at a time and needs none.
    pub const fn for_update(&self) -> &'static str {
        match self.connection {
            Connection::Sqlite(_) => "",
            Connection::Mysql(_) => " FOR UPDATE",
        }
    }

    /// Counts a unit of work that ended, well or not, and what it asked of the database.
    pub(super) fn count_unit(&mut self, name: &'static str) {
        let round_trips = match &mut self.connection {
            Connection::Sqlite(connection) => connection.take_calls(),
            Connection::Mysql(connection) => connection.take_calls(),
        };
        metrics::counter!("bookstore_db_units_total", "work" => name).increment(1);
        metrics::counter!("bookstore_db_round_trips_total", "work" => name).increment(round_trips);
    }

    /// Runs one transaction's control statement, or a migration's script.
    pub(super) async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.script(sql),
            Connection::Mysql(connection) => connection.script(sql).await,
        }
    }

    /// Ends the transaction well; where that is in doubt, the error says so.
    pub(super) async fn commit(&mut self) -> Result<(), DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.script("COMMIT"),
            Connection::Mysql(connection) => connection.commit().await,
        }
    }

    pub(super) const fn as_sqlite(&mut self) -> Option<&mut SqliteConnection> {
        match &mut self.connection {
            Connection::Sqlite(connection) => Some(connection),
            Connection::Mysql(_) => None,
        }
    }

    /// Whether the server is MySQL-protocol; schemas differ, statements do not.
    pub(super) const fn is_mysql(&self) -> bool {
        matches!(self.connection, Connection::Mysql(_))
    }

    pub(super) fn into_mysql(self) -> Option<MysqlConnection> {
        match self.connection {
            Connection::Sqlite(_) => None,
            Connection::Mysql(connection) => Some(connection),
        }
    }
}

/// `?, ?, ?`
pub(super) fn placeholders(count: usize) -> String {
    let mut text = "?, ".repeat(count);
    text.truncate(text.len().saturating_sub(2));
    text
}

/// Repeats the last value until the list is a power of two long.
fn padded(piece: &[Value]) -> Vec<Value> {
    let mut list = piece.to_vec();
    if let Some(last) = piece.last() {
        list.resize(piece.len().next_power_of_two(), last.clone());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_padded_to_powers_of_two() {
        let list: Vec<_> = (1..=5_i64).map(Value::from).collect();
        let padded = padded(&list);
        assert_eq!(padded.len(), 8);
        assert_eq!(padded[7], Value::Int(5));
        assert_eq!(placeholders(3), "?, ?, ?");
        assert_eq!(placeholders(0), "");
    }
}
