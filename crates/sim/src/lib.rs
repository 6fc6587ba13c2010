//! The whole bookstore in one thread, from one seed, under faults.
//!
//! Two or three replicas of each of the four services, as they are, on their own model stores; a
//! network that delays, loses, doubles, reorders and cuts; databases that refuse and do not say what
//! they did; clocks that are wrong; a payment gateway that is silent; processes that are killed at any
//! await. Buyers and operators use it by gRPC. The laws, which are the promises in docs/reliability.md
//! and proto/, are checked after every commit of inventory, order and payment, and once more when all
//! has come to rest.
//!
//! Owns: the world around the services. Never does: anything that follows from something else than
//! the seed, so that the same seed is the same run, always.
//!
//! Start reading at `seed.rs` (a seed from its begin to its end), then `plan.rs` (what a seed can do),
//! `net/` and `stores/` (what stands between the services and the world), `laws/` (what must hold).
//! Why it is built so: docs/adr/0016-deterministic-simulation.md.

mod chance;
mod cluster;
pub mod fleet;
mod gateway;
mod laws;
mod nemesis;
mod net;
mod node;
mod people;
mod plan;
mod queue;
pub mod report;
mod seed;
mod stores;
pub mod tally;
mod trace;
mod world;

pub use seed::{Outcome, run_seed};
pub use world::Violation;
