use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable;
use mysql_async::{Column, Conn, Params, Value as MysqlValue};
use time::{Date, Month, PrimitiveDateTime, Time};
use types::UnixMillis;

use super::error::{at_commit, before_commit};
use super::text::{driver_value, push_literal, render};
use crate::db::{DbError, Row, Value};

/// The most text that one round trip carries, in bytes: servers take 16 MiB by default, older ones 4.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// A connection to a server. Dropped, it goes back to its pool; after an error it must be closed.
pub(in crate::db) struct MysqlConnection {
    connection: Conn,
    /// Requests since they were last taken.
    calls: u64,
}

impl MysqlConnection {
    pub(super) const fn new(connection: Conn) -> Self {
        Self {
            connection,
            calls: 0,
        }
    }

    /// Closes the connection in the background: the server rolls back what is open.
    pub(super) fn close(self) {
        let closing = self.connection.disconnect();
        #[expect(
            clippy::disallowed_methods,
            reason = "says goodbye; nobody waits for it"
        )]
        let task = tokio::spawn(tokio::time::timeout(super::CONNECT_LIMIT, closing));
        drop(task);
    }

    pub(in crate::db) async fn query(
        &mut self,
        sql: &str,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, DbError> {
        let args: Vec<_> = args.into_iter().map(driver_value).collect();
        let params = if args.is_empty() {
            Params::Empty
        } else {
            Params::Positional(args)
        };
        self.count_call();
        let rows: Vec<mysql_async::Row> = self
            .connection
            .exec(sql, params)
            .await
            .map_err(before_commit)?;
        rows.into_iter().map(read_row).collect()
    }

    pub(in crate::db) async fn execute_each(
        &mut self,
        sql: &str,
        each: Vec<Vec<Value>>,
    ) -> Result<u64, DbError> {
        let mut matched = 0_u64;
        let mut text = String::new();
        for args in each {
            if !text.is_empty() {
                text.push_str(";\n");
            }
            render(&mut text, sql, &args)?;
            if text.len() >= TEXT_BYTES_MAX {
                matched = matched.saturating_add(self.run(std::mem::take(&mut text)).await?);
            }
        }
        if !text.is_empty() {
            matched = matched.saturating_add(self.run(text).await?);
        }
        Ok(matched)
    }

    pub(in crate::db) async fn insert_rows(
        &mut self,
        insert: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), DbError> {
        let mut text = String::new();
        for row in rows {
            text.push_str(if text.is_empty() { insert } else { "," });
            text.push_str(" (");
            for (column, value) in row.iter().enumerate() {
                if column > 0 {
                    text.push_str(", ");
                }
                push_literal(&mut text, value);
            }
            text.push(')');
            if text.len() >= TEXT_BYTES_MAX {
                self.run(std::mem::take(&mut text)).await?;
            }
        }
        if !text.is_empty() {
            self.run(text).await?;
        }
        Ok(())
    }

    /// Runs statements in one round trip; answers how many rows they matched.
    async fn run(&mut self, text: String) -> Result<u64, DbError> {
        self.count_call();
        let mut result = self
            .connection
            .query_iter(text)
            .await
            .map_err(before_commit)?;
        let mut matched = 0_u64;
        loop {
            matched = matched.saturating_add(result.affected_rows());
            if result.is_empty() {
                return Ok(matched);
            }
            // Reading an answer to its end moves on to the next one; a statement that failed comes
            // up here.
            result
                .collect::<mysql_async::Row>()
                .await
                .map_err(before_commit)?;
        }
    }

    /// How many requests it sent since this was last asked.
    pub(in crate::db) fn take_calls(&mut self) -> u64 {
        std::mem::take(&mut self.calls)
    }

    const fn count_call(&mut self) {
        self.calls = self.calls.saturating_add(1);
    }

    pub(in crate::db) async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        self.count_call();
        self.connection.query_drop(sql).await.map_err(before_commit)
    }

    pub(in crate::db) async fn commit(&mut self) -> Result<(), DbError> {
        self.count_call();
        self.connection
            .query_drop("COMMIT")
            .await
            .map_err(at_commit)
    }
}

fn read_row(row: mysql_async::Row) -> Result<Row, DbError> {
    let columns = row.columns();
    let values = row.unwrap_raw().into_iter().zip(columns.iter());
    let read = values.map(|(value, column)| read_value(value.unwrap_or(MysqlValue::NULL), column));
    Ok(Row::new(read.collect::<Result<_, _>>()?))
}

fn read_value(value: MysqlValue, column: &Column) -> Result<Value, DbError> {
    match value {
        MysqlValue::NULL => Ok(Value::Null),
        MysqlValue::Int(number) => Ok(Value::Int(number)),
        MysqlValue::UInt(number) => i64::try_from(number)
            .map(Value::Int)
            .map_err(|_| DbError::corrupt("a number over 63 bits")),
        MysqlValue::Date(year, month, day, hour, minute, second, micros) => {
            let date = Month::try_from(month)
                .and_then(|month| Date::from_calendar_date(i32::from(year), month, day));
            let time = Time::from_hms_micro(hour, minute, second, micros);
            match (date, time) {
                (Ok(date), Ok(time)) => Ok(Value::Time(moment(PrimitiveDateTime::new(date, time)))),
                _ => Err(DbError::corrupt("a moment that is not in the calendar")),
            }
        }
        MysqlValue::Bytes(bytes) if is_binary(column) => Ok(Value::Bytes(bytes)),
        MysqlValue::Bytes(bytes) => String::from_utf8(bytes)
            .map(Value::Text)
            .map_err(|_| DbError::corrupt("text that is not UTF-8")),
        MysqlValue::Float(_) | MysqlValue::Double(_) | MysqlValue::Time(..) => {
            Err(DbError::corrupt("a fraction where there should be none"))
        }
    }
}

/// Decimals, which sums are, count as binary to the server, and are digits all the same.
fn is_binary(column: &Column) -> bool {
    column.flags().contains(ColumnFlags::BINARY_FLAG)
        && column.character_set() == 63
        && !matches!(
            column.column_type(),
            ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL
        )
}

fn moment(utc: PrimitiveDateTime) -> UnixMillis {
    let millis = utc
        .assume_utc()
        .unix_timestamp_nanos()
        .div_euclid(1_000_000);
    UnixMillis::new(i64::try_from(millis).unwrap_or(0))
}
