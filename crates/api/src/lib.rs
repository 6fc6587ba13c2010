//! The wire: what goes in and out of every port of the bookstore.
//!
//! Owns: the generated messages, clients and servers of the four services, their descriptor set
//! (for server reflection), and the texts of every business code in Chinese and English.
//! Never does: rules, I/O, statuses of gRPC (those are `platform`'s).
//!
//! Start reading at the `.proto` files under `proto/`: their comments are the promise of each
//! method. Then [`Rpc`], the one list of calls, [`Reply`], the shape all answers share, and
//! [`message`], the one table of texts.
//!
//! The code under `src/gen` is kept in git, so that a build needs neither `protoc` nor a build
//! script. After a change to a `.proto` file write it anew with
//!
//! ```text
//! BOOKSTORE_TEST_BLESS=1 cargo test -p api --test generated
//! ```
//!
//! Without the variable the same test fails where `src/gen` is not what the `.proto` files say.

mod batches;
mod clients;
mod codec;
mod generated;
mod messages;
mod reply;
mod rpc;
pub mod text;

pub use clients::Clients;
pub use generated::{FILE_DESCRIPTOR_SET, catalog, inventory, order, payment};
pub use messages::message;
pub use reply::Reply;
pub use rpc::Rpc;
