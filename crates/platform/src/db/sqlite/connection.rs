use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::types::{Value as SqliteValue, ValueRef};
use rusqlite::{Connection, OpenFlags};

use super::error::at_commit;
use crate::db::{Access, DbError, Insert, Lookup, Matches, Row, Update, Value};

/// Statements that a connection keeps prepared.
const STATEMENTS_CACHED: usize = 256;

/// A checkpoint copies every page once, however many versions of it the WAL holds: rarer checkpoints copy
/// less, but each holds the writer up longer. 8,000 pages are 32 MB.
const PRAGMAS: &str = "PRAGMA busy_timeout = 1000;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16384;
PRAGMA wal_autocheckpoint = 8000;";

/// For read-only connections. No `journal_mode`: it would be written into a file that has another one.
const PRAGMAS_READING: &str = "PRAGMA query_only = ON;
PRAGMA busy_timeout = 1000;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16384;";

/// A connection to a file. All calls on it are synchronous.
pub(in crate::db) struct SqliteConnection {
    connection: Connection,
    /// Calls since the count was last taken.
    calls: u64,
}

impl SqliteConnection {
    /// Opens the file, and creates it if it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, DbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        connect(path, flags)
            .and_then(|connection| Self::new(connection, PRAGMAS))
            .map_err(|error| name_file(error, path))
    }

    /// Opens an existing file and changes nothing in it.
    pub(super) fn open_read_only(path: &Path) -> Result<Self, DbError> {
        connect_to_read(path)
            .and_then(|connection| Self::new(connection, PRAGMAS_READING))
            .map_err(|error| name_file(error, path))
    }

    fn new(connection: Connection, pragmas: &str) -> Result<Self, DbError> {
        connection.execute_batch(pragmas)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        Ok(Self {
            connection,
            calls: 0,
        })
    }

    pub(in crate::db) fn query(
        &mut self,
        sql: &str,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, DbError> {
        self.count_call();
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

    pub(in crate::db) fn look_up(&mut self, lookup: &Lookup<'_>) -> Result<Vec<Row>, DbError> {
        let mut found = Vec::new();
        for piece in lookup.pieces() {
            let padded = padded(piece);
            let list = placeholders(padded.len());
            let sql = format!("{} ({list}) {}", lookup.before, lookup.after);
            found.append(&mut self.query(&sql, padded)?);
        }
        Ok(found)
    }

    pub(in crate::db) fn begin(&mut self, access: Access) -> Result<(), DbError> {
        self.script(match access {
            Access::ReadOnce => return Ok(()),
            Access::Read | Access::ReadLong => "BEGIN DEFERRED",
            // Takes the write lock up front: a transaction that reads first and writes later would fail
            // in the middle if another writer came between.
            Access::Write | Access::Migrate => "BEGIN IMMEDIATE",
        })
    }

    pub(in crate::db) fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64, DbError> {
        self.run_each(sql, vec![args])
    }

    pub(in crate::db) fn execute_each(
        &mut self,
        sql: &str,
        each: Vec<Vec<Value>>,
        matches: Matches,
    ) -> Result<(), DbError> {
        let lists = each.len();
        matches.verify(self.run_each(sql, each)?, lists)
    }

    pub(in crate::db) fn update_rows(
        &mut self,
        update: &Update,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), DbError> {
        self.execute_each(&update.one_row(), rows, update.matches())
    }

    pub(in crate::db) fn insert_rows(
        &mut self,
        insert: &Insert,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), DbError> {
        // In process a cached one-row statement beats one long statement that is parsed anew.
        let (table, columns) = (insert.table, insert.columns);
        let values = placeholders(insert.columns().count());
        let sql = format!("INSERT INTO {table} ({columns}) VALUES ({values})");
        self.run_each(&sql, rows)?;
        Ok(())
    }

    /// Runs a statement for each list of arguments; returns how many rows were matched in all.
    fn run_each(&mut self, sql: &str, each: Vec<Vec<Value>>) -> Result<u64, DbError> {
        if each.is_empty() {
            return Ok(0);
        }
        self.count_call();
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut matched = 0_u64;
        for args in each {
            let rows = statement.execute(bound(args))?;
            matched = matched.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
        }
        Ok(matched)
    }

    /// Takes the number of calls since this was last called.
    pub(in crate::db) fn take_calls(&mut self) -> u64 {
        std::mem::take(&mut self.calls)
    }

    const fn count_call(&mut self) {
        self.calls = self.calls.saturating_add(1);
    }

    pub(in crate::db) fn script(&mut self, sql: &str) -> Result<(), DbError> {
        self.count_call();
        Ok(self.connection.execute_batch(sql)?)
    }

    /// Commits the open transaction.
    pub(in crate::db) fn commit(&mut self) -> Result<(), DbError> {
        self.count_call();
        let committed = self.connection.execute_batch("COMMIT");
        committed.map_err(at_commit)
    }

    /// Rolls the open transaction back; some errors have done so already.
    pub(super) fn roll_back(&mut self) -> Result<(), DbError> {
        if self.connection.is_autocommit() {
            Ok(())
        } else {
            self.script("ROLLBACK")
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, DbError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

fn connect_to_read(path: &Path) -> Result<Connection, DbError> {
    let has_wal = wal_of(path).exists();
    // Without write permission, SQLite makes it read-only by itself. With it, the files that a WAL database
    // needs beside it while it is read are removed in the end.
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if !has_wal
        && connection.is_readonly(c"main")?
        && let Some(uri) = immutable(path)
    {
        // Nobody uses it, so it can be read without the files beside it, which may be impossible to create.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        connection = connect(Path::new(&uri), flags)?;
    }
    // What a crash left in a WAL stays there for the next start.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_wal)?;
    Ok(connection)
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// The URI of a file that nobody changes; `None` if its path cannot be resolved or is not text.
fn immutable(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mut escaped = path.to_str()?.to_owned();
    for (character, code) in [("%", "%25"), ("?", "%3f"), ("#", "%23")] {
        escaped = escaped.replace(character, code);
    }
    Some(format!("file:{escaped}?immutable=1"))
}

fn name_file(error: DbError, path: &Path) -> DbError {
    match error {
        DbError::Unavailable(why) => DbError::Unavailable(format!("{}: {why}", path.display())),
        DbError::Corrupt(why) => DbError::Corrupt(format!("{}: {why}", path.display())),
        other => other,
    }
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

/// `?, ?, ?`
fn placeholders(count: usize) -> String {
    let mut text = "?, ".repeat(count);
    text.truncate(text.len().saturating_sub(2));
    text
}

/// Repeats the last value until the list is a power of two long, so that a few cached statements serve
/// lists of all lengths.
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
