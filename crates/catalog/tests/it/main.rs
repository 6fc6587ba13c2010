//! The catalog as its callers see it: a real server on a port of its own, a real client; and its
//! stores, held against each other.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as it must be"
)]

mod audit;
mod change;
mod failures;
mod freshness;
mod harness;
mod read;
mod search;
mod shared_cache;
mod store;
