//! What every service is built on, and nothing that knows what a book is.
//!
//! Owns: the clock, deadlines, the context of a call, classes of errors and their way to the wire,
//! databases, the [`combiner`], tasks that no caller can cancel, ids, discovery, calls between
//! services, configuration, telemetry, server start and drain.
//! Never does: business rules; a message's text (that is `api`).
//!
//! Start reading at [`combiner`] (why writes are fast), then [`db`] (how one SQL text serves two
//! kinds of server), then [`server`] (what happens around every call).

pub mod clock;
pub mod coalescer;
pub mod combiner;
pub mod config;
pub mod context;
pub mod crash;
pub mod db;
pub mod deadline;
pub mod discovery;
pub mod error;
pub mod ids;
pub mod net;
pub mod process;
pub mod random;
pub mod reader;
pub mod redis;
pub mod server;
pub mod single_flight;
pub mod tasks;
pub mod telemetry;
mod tls;
pub mod turn;
mod url_text;

pub use error::StartError;
