//! Statements as text with literal values: a whole batch goes in one round trip.

use std::fmt::Write;

use mysql_async::Value as MysqlValue;
use time::OffsetDateTime;
use types::UnixMillis;

use crate::db::{DbError, Insert, Lookup, Update, Value};

/// The server's error code for a sum that overflows.
pub(super) const OUT_OF_RANGE: u16 = 1690;

/// Appends `sql` with each `?` replaced by the literal of the next argument.
///
/// No statement of this program holds a `?` inside quotes.
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

/// Appends the statement for one piece of a lookup's list.
pub(super) fn render_lookup(into: &mut String, lookup: &Lookup<'_>, piece: &[Value]) {
    into.push_str(lookup.before);
    into.push_str(" (");
    push_list(into, piece);
    into.push_str(") ");
    into.push_str(lookup.after);
    if lookup.locks {
        into.push_str(" FOR UPDATE");
    }
}

fn push_list<'v>(into: &mut String, values: impl IntoIterator<Item = &'v Value>) {
    for (place, value) in values.into_iter().enumerate() {
        into.push_str(if place == 0 { "" } else { ", " });
        push_literal(into, value);
    }
}

/// Appends one statement for as many of `rows` as it takes to reach `bytes_max`, at least one; returns how many.
/// A column that is NULL in all rows is left out: parsing a row's text is half of what it costs the server.
pub(super) fn render_insert(
    into: &mut String,
    insert: &Insert,
    rows: &[Vec<Value>],
    bytes_max: usize,
) -> Result<usize, DbError> {
    let names: Vec<_> = insert.columns().collect();
    if rows.iter().any(|row| row.len() != names.len()) {
        let what = format!("arguments do not match the insert into {}", insert.table);
        return Err(DbError::Broken(what));
    }
    let is_used = |place: &usize| rows.iter().any(|row| row.get(*place) != Some(&Value::Null));
    let used: Vec<_> = (0..names.len()).filter(is_used).collect();
    into.push_str("INSERT INTO ");
    into.push_str(insert.table);
    let named = used.iter().filter_map(|place| names.get(*place).copied());
    into.push_str(" (");
    into.push_str(&named.collect::<Vec<_>>().join(", "));
    into.push_str(") VALUES");
    let mut taken = 0_usize;
    for row in rows {
        into.push_str(if taken == 0 { " (" } else { ", (" });
        push_list(into, used.iter().filter_map(|place| row.get(*place)));
        into.push(')');
        taken = taken.saturating_add(1);
        if into.len() >= bytes_max {
            break;
        }
    }
    Ok(taken)
}

/// Appends one statement for all rows: a column whose values differ is set by a CASE over the keys. Compared
/// with a statement per row this spares the server parsing, planning and answering each.
pub(super) fn render_update(
    into: &mut String,
    update: &Update,
    rows: &[Vec<Value>],
) -> Result<(), DbError> {
    let mut parts = Vec::with_capacity(rows.len());
    for row in rows {
        parts.push(update.parts(row)?);
    }
    into.push_str("UPDATE ");
    into.push_str(update.table);
    for (place, column) in update.set.iter().enumerate() {
        into.push_str(if place == 0 { " SET " } else { ", " });
        into.push_str(column);
        into.push_str(" = ");
        let values = parts
            .iter()
            .filter_map(|row| Some((row.1, row.0.get(place)?)));
        push_choice(into, update.key, values.collect());
    }
    into.push_str(" WHERE ");
    into.push_str(update.key);
    into.push_str(" IN (");
    push_list(into, parts.iter().map(|row| row.1));
    into.push(')');
    for (place, column) in update.guards.iter().enumerate() {
        // As a sum, so that no index applies: rows are found, and locked, by their keys alone.
        into.push_str(" AND ");
        into.push_str(column);
        into.push_str(" + 0 = ");
        let values = parts
            .iter()
            .filter_map(|row| Some((row.1, row.2.get(place)?)));
        push_choice(into, update.key, values.collect());
    }
    Ok(())
}

/// Appends a statement that fails with [`OUT_OF_RANGE`] unless the one before it matched `rows` rows.
pub(super) fn render_check(into: &mut String, rows: usize) {
    write!(
        into,
        "SET @checked = {} + (ROW_COUNT() <> {rows})",
        i64::MAX
    )
    .unwrap_or_default();
}

/// The value of one column for each key: the value itself where all have the same.
fn push_choice(into: &mut String, key: &str, values: Vec<(&Value, &Value)>) {
    let mut different = values.windows(2).filter(|pair| pair[0].1 != pair[1].1);
    if let (Some((_, value)), None) = (values.first(), different.next()) {
        return push_literal(into, value);
    }
    into.push_str("CASE ");
    into.push_str(key);
    for (key, value) in values {
        into.push_str(" WHEN ");
        push_literal(into, key);
        into.push_str(" THEN ");
        push_literal(into, value);
    }
    into.push_str(" END");
}

fn push_literal(into: &mut String, value: &Value) {
    // Writing to a String does not fail.
    match value {
        Value::Null => into.push_str("NULL"),
        Value::Int(number) => write!(into, "{number}").unwrap_or_default(),
        Value::Text(text) => push_text(into, text),
        // Callers' keys are usually plain text, and half as long that way.
        Value::Bytes(bytes) if is_plain(bytes) => {
            into.push('\'');
            into.push_str(str::from_utf8(bytes).unwrap_or_default());
            into.push('\'');
        }
        Value::Bytes(bytes) => {
            into.push_str("x'");
            for byte in bytes {
                into.push(hex(byte >> 4));
                into.push(hex(byte & 15));
            }
            into.push('\'');
        }
        Value::Time(moment) => push_moment(into, *moment),
    }
}

/// Whether `bytes` need no escape between quotes: printable ASCII without quotes and backslashes.
fn is_plain(bytes: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\');
    bytes.iter().all(plain)
}

/// The driver's literal, except for text that needs no escape.
fn push_text(into: &mut String, text: &str) {
    if is_plain(text.as_bytes()) {
        into.push('\'');
        into.push_str(text);
        into.push('\'');
    } else {
        into.push_str(&MysqlValue::Bytes(text.as_bytes().to_vec()).as_sql(false));
    }
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0')
}

fn push_moment(into: &mut String, moment: UnixMillis) {
    let nanos = i128::from(moment.get()).saturating_mul(1_000_000);
    let utc =
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, time) = (utc.date(), utc.time());
    write!(
        into,
        "'{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}'",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond(),
    )
    .unwrap_or_default();
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
            "VALUES (1, '\\'; DROP TABLE books; -- \\\\', x'00ff', '2026-11-22 13:44:05.123', NULL)"
        );
        assert!(render(&mut text, "?", &[]).is_err());
        assert!(render(&mut text, "", &[Value::Int(1)]).is_err());
    }

    const UPDATE: Update = Update {
        table: "t",
        set: &["a", "b"],
        key: "id",
        guards: &["s"],
    };

    #[test]
    fn rows_share_an_update_and_equal_values_need_no_case() {
        let rendered = |rows: &[Vec<Value>]| {
            let mut text = String::new();
            render_update(&mut text, &UPDATE, rows).map(|()| text)
        };
        let rows = [
            args![7_i64, "x", 1_i64, 0_i64],
            args![7_i64, "y", 2_i64, 0_i64],
        ];
        assert_eq!(
            rendered(&rows).unwrap(),
            "UPDATE t SET a = 7, b = CASE id WHEN 1 THEN 'x' WHEN 2 THEN 'y' END \
             WHERE id IN (1, 2) AND s + 0 = 0",
        );
        let rows = [
            args![7_i64, "x", 1_i64, 0_i64],
            args![8_i64, "x", 3_i64, 1_i64],
        ];
        assert_eq!(
            rendered(&rows).unwrap(),
            "UPDATE t SET a = CASE id WHEN 1 THEN 7 WHEN 3 THEN 8 END, b = 'x' \
             WHERE id IN (1, 3) AND s + 0 = CASE id WHEN 1 THEN 0 WHEN 3 THEN 1 END",
        );
        assert!(rendered(&[args![1_i64]]).is_err());
    }

    const INSERT: Insert = Insert {
        table: "t",
        columns: "id, a, b",
    };

    #[test]
    fn an_insert_takes_rows_until_it_is_long_enough() {
        let rows = [1_i64, 2, 3].map(|id| args![id, "a", 0_i64]);
        let mut text = String::new();
        assert_eq!(render_insert(&mut text, &INSERT, &rows, 48).unwrap(), 2);
        assert_eq!(
            text,
            "INSERT INTO t (id, a, b) VALUES (1, 'a', 0), (2, 'a', 0)"
        );
        assert!(render_insert(&mut text, &INSERT, &[args![1_i64]], 32).is_err());
    }

    #[test]
    fn an_insert_names_no_column_that_is_null_in_all_rows() {
        let nothing = Option::<i64>::None;
        let rows = [args![1_i64, nothing, nothing], args![2_i64, nothing, 7_i64]];
        let mut text = String::new();
        assert_eq!(render_insert(&mut text, &INSERT, &rows, 1024).unwrap(), 2);
        assert_eq!(text, "INSERT INTO t (id, b) VALUES (1, NULL), (2, 7)");
    }
}
