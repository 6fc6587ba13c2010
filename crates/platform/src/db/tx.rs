use super::mysql::MysqlConnection;
use super::sqlite::SqliteConnection;
use super::{Access, DbError, Insert, Matches, Row, Update, Value};
use crate::turn::Turn;

/// The longest `IN (…)` list of one statement.
const IN_LIST_LEN_MAX: usize = 512;

/// A query over a list of keys, `before (…list…) after`; an empty list finds no rows.
///
/// Long lists are cut into pieces, and rows come piece by piece: an `ORDER BY` in `after` orders each
/// piece; sort `list` to have pieces, and so locks, in order.
#[derive(Debug)]
pub struct Lookup<'s> {
    /// The statement up to the list: `SELECT … IN`.
    pub before: &'s str,
    /// The keys.
    pub list: Vec<Value>,
    /// What follows the list.
    pub after: &'s str,
    /// Whether the rows are locked until the transaction ends.
    pub locks: bool,
}

impl Lookup<'_> {
    /// The list in pieces, each short enough for one statement.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[Value]> {
        self.list.chunks(IN_LIST_LEN_MAX)
    }
}

/// The connection of a unit of work, inside its transaction if it has one.
///
/// Statements that change rows may be buffered on this side until an answer is needed, for a query or
/// at the end of the unit, and then go with it in one round trip. So an error of one of them can come
/// up at any later call, at the commit at the latest, and never after it.
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

    /// Runs a statement that returns rows.
    pub async fn query(&mut self, sql: &str, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.query(sql, args),
            Connection::Mysql(connection) => connection.query(sql, &args).await,
        }
    }

    /// Runs a statement now; returns how many rows it matched.
    pub async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64, DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.execute(sql, args),
            Connection::Mysql(connection) => connection.execute(sql, &args).await,
        }
    }

    /// Runs one statement once for each list of arguments.
    pub async fn execute_each(
        &mut self,
        sql: &str,
        each: Vec<Vec<Value>>,
        matches: Matches,
    ) -> Result<(), DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.execute_each(sql, each, matches),
            Connection::Mysql(connection) => connection.execute_each(sql, &each, matches).await,
        }
    }

    /// Updates rows that were read, by compare-and-set: see [`Update`].
    pub async fn update_rows(
        &mut self,
        update: &Update,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.update_rows(update, rows),
            Connection::Mysql(connection) => connection.update_rows(update, &rows).await,
        }
    }

    /// Inserts rows, each with a value for every column.
    pub async fn insert_rows(
        &mut self,
        insert: &Insert,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.insert_rows(insert, rows),
            Connection::Mysql(connection) => connection.insert_rows(insert, &rows).await,
        }
    }

    /// Runs `before (…list…) after` for a list of any length; see [`Lookup`].
    pub async fn query_in(
        &mut self,
        before: &str,
        list: Vec<Value>,
        after: &str,
    ) -> Result<Vec<Row>, DbError> {
        let lookup = Lookup {
            before,
            list,
            after,
            locks: false,
        };
        let [rows] = self.look_up([lookup]).await?;
        Ok(rows)
    }

    /// Runs several lookups, in their order and in one round trip; returns the rows of each.
    pub async fn look_up<const N: usize>(
        &mut self,
        lookups: [Lookup<'_>; N],
    ) -> Result<[Vec<Row>; N], DbError> {
        let mut found = [const { Vec::new() }; N];
        match &mut self.connection {
            Connection::Sqlite(connection) => {
                for (lookup, rows) in lookups.iter().zip(&mut found) {
                    *rows = connection.look_up(lookup)?;
                }
            }
            Connection::Mysql(connection) => connection.look_up(&lookups, &mut found).await?,
        }
        Ok(found)
    }

    /// The suffix of a query that locks its rows until the transaction ends. SQLite has one writer
    /// at a time and needs none.
    pub const fn for_update(&self) -> &'static str {
        match self.connection {
            Connection::Sqlite(_) => "",
            Connection::Mysql(_) => " FOR UPDATE",
        }
    }

    /// Counts a unit of work that ended, successfully or not, and its round trips.
    pub(super) fn count_unit(&mut self, name: &'static str) {
        let round_trips = match &mut self.connection {
            Connection::Sqlite(connection) => connection.take_calls(),
            Connection::Mysql(connection) => connection.take_calls(),
        };
        metrics::counter!("bookstore_db_units_total", "work" => name).increment(1);
        metrics::counter!("bookstore_db_round_trips_total", "work" => name).increment(round_trips);
    }

    /// Begins the transaction of a unit of work.
    pub(super) fn begin(&mut self, access: Access) -> Result<(), DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.begin(access),
            Connection::Mysql(connection) => {
                connection.begin(access);
                Ok(())
            }
        }
    }

    /// Has the server carry out the buffered statements.
    pub(super) async fn flush(&mut self) -> Result<(), DbError> {
        match &mut self.connection {
            Connection::Sqlite(_) => Ok(()),
            Connection::Mysql(connection) => connection.flush().await,
        }
    }

    /// Runs a migration's script, or a statement that ends a transaction.
    pub(super) async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.script(sql),
            Connection::Mysql(connection) => connection.script(sql).await,
        }
    }

    /// Commits the transaction, if there is one; the error says so if the outcome is in doubt.
    pub(super) async fn commit(&mut self, access: Access, turn: &Turn) -> Result<(), DbError> {
        if access == Access::ReadOnce {
            return Ok(());
        }
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.commit(),
            Connection::Mysql(connection) => connection.commit(access == Access::Write, turn).await,
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
