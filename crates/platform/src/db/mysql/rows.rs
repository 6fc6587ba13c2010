//! Turns the text that a server answers back into values.

use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::{Column, Value as MysqlValue};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{PrimitiveDateTime, UtcOffset};
use types::UnixMillis;

use crate::db::{DbError, Row, Value};

/// `DATETIME(3)`, as a server spells it.
const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second][optional [.[subsecond]]]");

pub(super) fn read_row(row: mysql_async::Row) -> Result<Row, DbError> {
    let columns = row.columns();
    let values = row.unwrap_raw().into_iter().zip(columns.iter());
    let read = values.map(|(value, column)| match value {
        Some(MysqlValue::Bytes(bytes)) => read_value(bytes, column),
        Some(MysqlValue::NULL) | None => Ok(Value::Null),
        Some(_) => Err(DbError::corrupt("an answer that is not text")),
    });
    Ok(Row::new(read.collect::<Result<_, _>>()?))
}

fn read_value(bytes: Vec<u8>, column: &Column) -> Result<Value, DbError> {
    match column.column_type() {
        ColumnType::MYSQL_TYPE_TINY
        | ColumnType::MYSQL_TYPE_SHORT
        | ColumnType::MYSQL_TYPE_INT24
        | ColumnType::MYSQL_TYPE_LONG
        | ColumnType::MYSQL_TYPE_LONGLONG => {
            let number = str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.parse().ok());
            number
                .map(Value::Int)
                .ok_or_else(|| DbError::corrupt("a number over 63 bits"))
        }
        ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_TIMESTAMP => {
            read_moment(&bytes).map(Value::Time)
        }
        ColumnType::MYSQL_TYPE_FLOAT | ColumnType::MYSQL_TYPE_DOUBLE => {
            Err(DbError::corrupt("a fraction where there should be none"))
        }
        _ if is_binary(column) => Ok(Value::Bytes(bytes)),
        _ => String::from_utf8(bytes)
            .map(Value::Text)
            .map_err(|_| DbError::corrupt("text that is not UTF-8")),
    }
}

/// Decimals, the type of sums, count as binary to the server, and hold digits all the same.
fn is_binary(column: &Column) -> bool {
    column.flags().contains(ColumnFlags::BINARY_FLAG)
        && column.character_set() == 63
        && !matches!(
            column.column_type(),
            ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL
        )
}

fn read_moment(text: &[u8]) -> Result<UnixMillis, DbError> {
    let text = str::from_utf8(text).unwrap_or_default();
    let utc = PrimitiveDateTime::parse(text, MOMENT)
        .map_err(|_| DbError::corrupt("a moment that is not in the calendar"))?;
    let nanos = utc.assume_offset(UtcOffset::UTC).unix_timestamp_nanos();
    Ok(UnixMillis::new(
        i64::try_from(nanos.div_euclid(1_000_000)).unwrap_or(0),
    ))
}
