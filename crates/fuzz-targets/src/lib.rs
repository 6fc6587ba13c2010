//! Every request and every parser under random input.
//!
//! Owns: one [`Target`] a method of the four services, one a service (calls in sequence), one for
//! what surrounds a call, one a parser; and the loop that drives them without any further tool.
//! Never does: be part of the program. Never proves that something works, only that nothing a
//! caller can send makes it panic, answer INTERNAL or UNKNOWN, or do half of something.
//!
//! An execution depends on its input alone: each starts from the same rows, so an input that finds
//! something finds it again. Start reading at [`Target`], then `calls/verdict.rs` (what a call must
//! keep), then `parsers/` (what a parser must keep). The folder `fuzz/` at the root of the
//! repository hands the same targets to cargo-fuzz.

mod calls;
mod mutate;
mod parsers;
mod run;
mod shrink;
mod target;
mod wire;

pub use run::{Finding, Plan, Tally, fuzz, replay};
pub use target::{Target, drive, names, open};
