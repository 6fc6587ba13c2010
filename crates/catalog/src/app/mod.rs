//! What the catalog does, one file per use case.

mod change_books;
mod read_books;
mod search_books;
mod writer;

use std::sync::Arc;

use platform::clock::SharedClock;
use platform::combiner::Combiner;

use crate::domain::{Op, Outcome};
use crate::reads::{BookReader, SharedIndex};
use crate::store::Store;

pub(crate) use change_books::{PublishBook, UpdateBook};
pub(crate) use writer::Writer;

/// The catalog at work: its parts, and the use cases as methods in the files beside this one.
pub(crate) struct Catalog {
    pub(crate) clock: SharedClock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) writes: Combiner<Op, Outcome>,
    pub(crate) reader: BookReader,
    pub(crate) index: Arc<SharedIndex>,
}

impl Catalog {
    /// Drains pending writes and reads, then closes the store.
    pub(crate) async fn close(&self) {
        self.writes.close().await;
        self.reader.close().await;
        self.store.close().await;
    }
}
