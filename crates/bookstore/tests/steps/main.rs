//! Proves: every step of every flow may be repeated, refused, lost on the way there or back, left
//! without an answer, delivered late or after what undoes it; nothing is held, charged or left to
//! do in the end that should not be, and people who ask until they are answered get what they asked
//! for.
//!
//! All four services run in one process on virtual time, on stores in memory, with faults on every
//! call that changes something or that order makes, on every unit of work, on what sagas and workers
//! read from their own store, on the bank and on the queue; not on the reads of catalog and
//! inventory. The table is made by the code: [`step::Step::all`] times [`plan::Treatment::of`] times
//! how often, told by every story that passes the step ([`stories::STORIES`]), by people who are
//! patient and by some who are not. Read `table.rs` first. `hang_up.rs` has callers leave at every
//! await.

#![expect(clippy::print_stderr, reason = "tests say how much they did")]

mod acts;
mod audit;
mod edges;
mod hang_up;
mod plan;
mod shop;
mod step;
mod stores;
mod stories;
mod table;
mod wire;
