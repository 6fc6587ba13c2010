//! The order service as its callers and its operators meet it: the store suite on every kind of
//! store, and the service on a real port with scripted services beyond its edge.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod audit;
mod expiry;
mod fakes;
mod feed;
mod methods;
mod pay;
mod queue;
mod redis;
mod replicas;
mod saga;
mod shared_deductions;
mod shop;
mod start;
mod store;
mod tasks;
