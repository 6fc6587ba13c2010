//! Row changes as data: each kind of server turns them into the statements that suit it best.

use super::{DbError, Value};

/// An INSERT of many rows: a value for each column.
#[derive(Debug, Clone, Copy)]
pub struct Insert {
    /// The table.
    pub table: &'static str,
    /// The columns, as SQL lists them, so that a query of the same ones can use the list: `id, title, price`.
    /// A nullable column has no other default than NULL: a statement may leave it out.
    pub columns: &'static str,
}

/// An UPDATE of many rows by their key, each with values of its own.
///
/// The arguments of a row: a value for each column of `set`, the key, and the value that each of
/// the `guards` must still have. A row that is missing or whose guards have changed fails the whole
/// unit of work: this is the compare-and-set of the stores.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    /// The table.
    pub table: &'static str,
    /// The columns that are written.
    pub set: &'static [&'static str],
    /// The column that identifies a row.
    pub key: &'static str,
    /// Numeric columns that must still have the values that were read.
    pub guards: &'static [&'static str],
}

/// How many rows a statement has to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matches {
    /// As many as there are.
    Any,
    /// One per list of arguments, in the table of that name. Fewer mean that somebody changed what was read:
    /// the unit is rolled back and tried again.
    OneEach(&'static str),
}

impl Matches {
    /// Checks that `matched` rows are what `lists` lists of arguments have to match.
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
    /// How many rows it has to match.
    pub(super) const fn matches(&self) -> Matches {
        Matches::OneEach(self.table)
    }

    /// Splits the arguments of a row: the values of `set`, the key, those of the guards.
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
