//! The auditor behind `bookstore check`: is anything not as it must be?
//!
//! Owns: every law that the four databases have to keep together, and the art of reading them one
//! after another while the system runs without accusing anybody wrongly.
//! Never does: write; ask a service anything; repair.
//!
//! - [`read`] reads the facts: orders first, then everything else;
//! - [`invariants`] holds them against the laws, as plain functions over plain data;
//! - [`inquiry`] decides which suspicions are proven, from several readings;
//! - [`report`] says so, to people or to programs.
//!
//! Start reading at [`finding`]: the laws, each in one line.

mod facts;
mod finding;
mod inquiry;
mod invariants;
mod read;
mod report;
#[cfg(test)]
mod sample;

pub(crate) use inquiry::Inquiry;
pub(crate) use read::Databases;
pub(crate) use report::Report;
