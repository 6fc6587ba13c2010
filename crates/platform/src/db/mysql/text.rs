//! Statements as text, values spelled out: a whole batch goes in one round trip.

use mysql_async::Value as MysqlValue;
use time::OffsetDateTime;
use types::UnixMillis;

use crate::db::{DbError, Value};

/// Appends `sql` with each `?` replaced by the literal of the next argument.
///
/// Our statements hold no `?` inside quotes. Literals are the driver's, which escapes for the
/// strict modes that every connection is set to.
pub(super) fn render(into: &mut String, sql: &str, args: &[Value]) -> Result<(), DbError> {
    let mut args = args.iter();
    let mut pieces = sql.split('?');
    into.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let value = args.next().ok_or_else(|| mismatch(sql))?;
        push_literal(into, value);
        into.push_str(piece);
    }
    if args.next().is_some() {
        Err(mismatch(sql))
    } else {
        Ok(())
    }
}

fn mismatch(sql: &str) -> DbError {
    DbError::Broken(format!("arguments do not match: {sql}"))
}

pub(super) fn push_literal(into: &mut String, value: &Value) {
    match value {
        Value::Bytes(bytes) => {
            into.push_str("x'");
            for byte in bytes {
                into.push(hex(byte >> 4));
                into.push(hex(byte & 15));
            }
            into.push('\'');
        }
        other => into.push_str(&driver_value(other.clone()).as_sql(false)),
    }
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0')
}

/// A value as the driver takes it.
pub(super) fn driver_value(value: Value) -> MysqlValue {
    match value {
        Value::Null => MysqlValue::NULL,
        Value::Int(number) => MysqlValue::Int(number),
        Value::Text(text) => MysqlValue::Bytes(text.into_bytes()),
        Value::Bytes(bytes) => MysqlValue::Bytes(bytes),
        Value::Time(moment) => calendar(moment),
    }
}

fn calendar(moment: UnixMillis) -> MysqlValue {
    let nanos = i128::from(moment.get()).saturating_mul(1_000_000);
    let utc =
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let year = u16::try_from(utc.year()).unwrap_or(1970);
    MysqlValue::Date(
        year,
        utc.month().into(),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second(),
        utc.microsecond(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    #[test]
    fn values_are_spelled_out_and_nothing_escapes() {
        let mut text = String::new();
        let hostile = "'; DROP TABLE books; -- \\";
        let bytes: &[u8] = &[0, 255];
        let moment = UnixMillis::new(1_795_355_045_123);
        let args = args![1_i64, hostile, bytes, moment, Option::<i64>::None];
        render(&mut text, "VALUES (?, ?, ?, ?, ?)", &args).unwrap();
        assert_eq!(
            text,
            "VALUES (1, '\\'; DROP TABLE books; -- \\\\', x'00ff', '2026-11-22 13:44:05.123000', NULL)"
        );
        assert!(render(&mut text, "?", &[]).is_err());
        assert!(render(&mut text, "", &[Value::Int(1)]).is_err());
    }
}
