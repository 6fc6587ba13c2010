//! The inventory service from outside: laws of the rules, one suite for all stores, the audit,
//! every method over a real socket, and what is left of it under outages.
#![expect(
    clippy::disallowed_methods,
    reason = "callers of a test have no tracker above them"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod bad_input;
mod faults;
mod harness;
mod methods;
mod outages;
mod properties;
mod races;
mod redelivery;
mod replicas;
mod side_by_side;
mod store;
mod stories;
