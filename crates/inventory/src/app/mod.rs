//! What the service does for its callers, one file per kind of use case: `change_stock.rs` (all six
//! changes go through the combiner the same way), `read_stock.rs`, and `watch_conservation.rs` (the
//! service's own check of its balances).

mod change_stock;
mod read_stock;
mod watch_conservation;

use std::sync::Arc;

use platform::clock::SharedClock;
use platform::combiner::{Combiner, CombinerLimits};
use platform::reader::Reader;

pub(crate) use watch_conservation::ConservationWatch;

use crate::domain::{Decision, Op};
use crate::store::{StockWriter, StocksByBook, Store};

/// The use cases over one store.
#[derive(Clone)]
pub(crate) struct Inventory {
    store: Arc<dyn Store>,
    reader: Arc<Reader<StocksByBook>>,
    writer: Combiner<Op, Decision>,
    clock: SharedClock,
}

impl Inventory {
    /// Starts the writer in front of `store`.
    pub(crate) fn start(store: Arc<dyn Store>, clock: SharedClock) -> Self {
        let stock_writer = StockWriter(Arc::clone(&store));
        let writer = Combiner::start("inventory", stock_writer, CombinerLimits::default());
        Self {
            reader: Arc::new(Reader::start(StocksByBook(Arc::clone(&store)))),
            store,
            writer,
            clock,
        }
    }

    /// Drains pending writes and reads, then closes the store.
    pub(crate) async fn close(self) {
        self.writer.close().await;
        self.reader.close().await;
        self.store.close().await;
    }
}
