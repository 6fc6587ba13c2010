//! What the payment service promises, from the rules up to a client on the wire.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails may stop where it stands"
)]

mod audit;
mod domain;
mod feed;
mod leftovers;
mod pay;
mod refund;
mod requests;
mod scripted;
mod server;
mod store;
mod world;
