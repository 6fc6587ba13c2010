//! The rules of the catalog: plain functions over plain values, no I/O, no clock, no async.
//!
//! Start reading at [`Rows::apply`]: every change of a book is decided there.

mod book;
mod draft;
mod op;
mod rows;

pub use book::{Book, Details, Listing, Patch, PrintedIsbn, Revision};
pub use draft::{DESCRIPTION_BYTES_MAX, Draft, Field};
pub use op::{Op, Outcome, Publish, Refusal, Unpublish, Update};
pub use rows::{Counters, Rows};
