//! Reading books without asking the database each time, and never older than promised.
//!
//! - [`BookCache`] holds books by id; it takes in only what cannot be outdated;
//! - [`BookReader`] answers from it, and asks the store once for all who miss at the same time;
//! - [`SharedBooks`] is a second cache in Redis where one is configured, shared by all replicas; a
//!   book in it is returned only if it is exactly as new as the change sequence says;
//! - [`Follower`] reads the sequence of changes, whoever made them, and brings the cache and the
//!   search index up to date; while it cannot, the cache is not used;
//! - [`SharedIndex`] is that index, shared by searches and the follower.
//!
//! So a read is at most as old as the follower's last round: `FRESH_FOR`, less than the second
//! that is promised.

mod cache;
mod follow;
mod load;
mod shared;
mod shared_index;
mod stored_book;

pub(crate) use cache::BookCache;
pub(crate) use follow::Follower;
pub(crate) use load::BookReader;
pub(crate) use shared::SharedBooks;
pub(crate) use shared_index::SharedIndex;
