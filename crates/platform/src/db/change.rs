//! What changes rows, as data: each kind of server makes the statements of it that suit it best.

use super::{DbError, Value};

/// An INSERT of many rows: a value for each column.
#[derive(Debug, Clone, Copy)]
pub struct Insert {
    /// The table.
    pub table: &'static str,
    /// The columns, as SQL lists them, so that a query of the same ones can use the list: `id, title, price`.
    /// None of those that may be NULL has another default: a statement may leave them out.
    pub columns: &'static str,
}

/// An UPDATE of many rows by their key, each row to values of its own.
///
/// The arguments of a row: a value for each column of `set`, the key, and the value that each of the
/// `guards` must still have. Every row must be there and keep its guards, or nothing of the unit
/// of work happens: this is the compare-and-set of the stores.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    /// The table.
    pub table: &'static str,
    /// The columns that are written.
    pub set: &'static [&'static str],
    /// The column that names a row.
    pub key: &'static str,
    /// Columns of numbers that must have kept the values that were read.
    pub guards: &'static [&'static str],
}

/// How many rows a statement has to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matches {
    /// As many as there are.
    Any,
    /// One for each list of arguments, in the table of that name. Fewer mean that somebody changed
    /// what was read under a lock: nothing of the unit may stand, and it is tried again.
    OneEach(&'static str),
}

impl Matches {
    /// Holds `matched` rows against what `lists` lists of arguments have to match.
    pub(super) fn verify(self, matched: u64, lists: usize) -> Result<(), DbError> {
        match self {
            Self::OneEach(table) if u64::try_from(lists) != Ok(matched) => {
                Err(DbError::Contention(format!(
                    "{table}: {matched} rows moved where {lists} should have"
                )))
            }
            Self::OneEach(_) | Self::Any => Ok(()),
        }
    }
}

impl Insert {
    /// The columns one by one.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.columns.split(", ")
    }
}

impl Update {
    /// What it has to match.
    pub(super) const fn matches(&self) -> Matches {
        Matches::OneEach(self.table)
    }

    /// Takes the arguments of a row apart: the values of `set`, the key, those of the guards.
    pub(super) fn parts<'r>(
        &self,
        row: &'r [Value],
    ) -> Result<(&'r [Value], &'r Value, &'r [Value]), DbError> {
        match row.split_at_checked(self.set.len()) {
            Some((values, [key, guards @ ..])) if guards.len() == self.guards.len() => {
                Ok((values, key, guards))
            }
            _ => {
                let what = format!("arguments do not match the update of {}", self.table);
                Err(DbError::Broken(what))
            }
        }
    }

    /// The statement for one row, with placeholders in the order of a row's arguments.
    pub(super) fn one_row(&self) -> String {
        let set: Vec<_> = self
            .set
            .iter()
            .map(|column| format!("{column} = ?"))
            .collect();
        let (table, set, key) = (self.table, set.join(", "), self.key);
        let guards = self
            .guards
            .iter()
            .map(|column| format!(" AND {column} = ?"));
        let guards: String = guards.collect();
        format!("UPDATE {table} SET {set} WHERE {key} = ?{guards}")
    }
}
