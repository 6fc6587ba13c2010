use rusqlite::Connection;
use rusqlite::types::{Value as SqliteValue, ValueRef};

use super::{DbError, Row, Value};

/// The longest `IN (…)` list of one statement.
const IN_LIST_LEN_MAX: usize = 512;

/// A connection inside a transaction: what a unit of work works with.
pub struct Tx {
    connection: Connection,
}

impl Tx {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Runs a statement that answers rows.
    #[expect(
        clippy::unused_async,
        reason = "a server behind the network has to be waited for"
    )]
    pub async fn query(&mut self, sql: &str, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(bound(args))?;
        let mut answer = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| read(row.get_ref(column)?));
            answer.push(Row::new(values.collect::<Result<_, DbError>>()?));
        }
        Ok(answer)
    }

    /// Runs a statement that answers nothing but how many rows it touched.
    #[expect(
        clippy::unused_async,
        reason = "a server behind the network has to be waited for"
    )]
    pub async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64, DbError> {
        let rows = self.connection.prepare_cached(sql)?.execute(bound(args))?;
        Ok(u64::try_from(rows).unwrap_or(u64::MAX))
    }

    /// Runs one statement once for each list of arguments, in as few round trips as may be;
    /// answers how many rows were touched in all.
    pub async fn execute_each(&mut self, sql: &str, each: Vec<Vec<Value>>) -> Result<u64, DbError> {
        let mut touched = 0_u64;
        for args in each {
            touched = touched.saturating_add(self.execute(sql, args).await?);
        }
        Ok(touched)
    }

    /// Inserts rows: `insert` ends before the first row (`INSERT INTO t (a, b) VALUES`).
    pub async fn insert_rows(
        &mut self,
        insert: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), DbError> {
        let Some(first) = rows.first() else {
            return Ok(());
        };
        // In process a cached one-row statement beats one long statement that is parsed anew.
        let sql = format!("{insert} ({})", placeholders(first.len()));
        self.execute_each(&sql, rows).await?;
        Ok(())
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
        ""
    }

    /// Undoes what the open transaction did; some errors have done so already.
    pub(super) fn roll_back(&mut self) -> Result<(), DbError> {
        if self.connection.is_autocommit() {
            Ok(())
        } else {
            self.script("ROLLBACK")
        }
    }

    /// Runs a whole script: migrations.
    pub(super) fn script(&mut self, sql: &str) -> Result<(), DbError> {
        Ok(self.connection.execute_batch(sql)?)
    }
}

/// `?, ?, ?`
fn placeholders(count: usize) -> String {
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

fn bound(args: Vec<Value>) -> impl rusqlite::Params {
    rusqlite::params_from_iter(args.into_iter().map(|value| match value {
        Value::Null => SqliteValue::Null,
        Value::Int(number) => SqliteValue::Integer(number),
        Value::Text(text) => SqliteValue::Text(text),
        Value::Bytes(bytes) => SqliteValue::Blob(bytes),
        Value::Time(moment) => SqliteValue::Integer(moment.get()),
    }))
}

fn read(value: ValueRef<'_>) -> Result<Value, DbError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Text(bytes) => match str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(DbError::corrupt("text that is not UTF-8")),
        },
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_vec())),
        ValueRef::Real(_) => Err(DbError::corrupt("a fraction where there should be none")),
    }
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
