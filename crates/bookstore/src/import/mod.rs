//! Books and stock out of a CSV file, through the same calls that everybody uses.
//!
//! A row goes through four hands: [`columns`] knows which cell is what, [`row`] reads and repairs
//! the cells, [`rows`] finds the duplicates in the file, [`load`] publishes and restocks. Nothing
//! is refused or repaired in silence: [`report`] has it all, by line.
//!
//! A row is known by its [`identity`] and never by its place in the file. Every call is
//! idempotent by it, so a second run changes nothing, and an interrupted one is simply run again.

mod book;
mod cells;
mod columns;
mod finding;
mod identity;
mod isbn_cell;
mod load;
mod pipeline;
mod report;
mod retry;
mod row;
mod rows;
mod shorten;

pub use book::{CsvBook, read_csv};
pub(crate) use cells::read_default_price;
pub(crate) use identity::DERIVED_PRICE_RULE;
pub(crate) use load::Loader;
pub(crate) use pipeline::{End, load_rows};
pub(crate) use report::Report;
pub(crate) use row::Defaults;
pub(crate) use rows::Rows;

#[cfg(test)]
mod tests;
