//! The search index: finds books by words of their title or author and by their ISBN.
//!
//! Owns: how text is read (`text.rs`), and the index itself ([`Index`]): an inverted index in
//! memory, rebuilt from the table `books` at start and kept up by `reads::follow`.
//! Never does: I/O. One index per process; every change is visible once the call that makes it
//! returns.
//!
//! Why not a search library: ranks here are exact rules (equals, starts with, contains), not
//! relevance; Chinese needs substrings of any length and no dictionary; a change costs microseconds
//! where a segmented index commits, reloads and merges on threads of its own.

mod index;
mod text;

pub use index::{Found, Index};
