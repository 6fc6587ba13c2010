//! Balances as this replica last left them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use types::BookId;

use crate::domain::{Command, Op, Stock};

/// How many balances are remembered. With more all are forgotten.
const LEN_MAX: usize = 65_536;
/// How many batches read what they touch after one that failed.
const WARY_BATCHES: u32 = 64;

/// Balances as this replica last left them, so that deductions need not read them.
///
/// What is remembered proves nothing: whoever decides by it must have the database compare the version of
/// each balance when it is written. Where that goes wrong, or anything else, all is forgotten, and the next
/// batches read what they touch: replicas that deduct the same books are in each other's way now and then.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    stocks: HashMap<BookId, Stock>,
    /// A batch has begun, and its end was not heard of: it failed, if another one begins.
    is_open: bool,
    /// How many batches shall still read what they touch.
    wary: u32,
}

impl Remembered {
    /// Begins a batch; answers the balances of all its books. `None` where it does more than deduct, or
    /// not all of them are remembered.
    pub(super) fn begin(&self, batch: &[Op]) -> Option<Vec<Stock>> {
        let mut inner = self.lock();
        if inner.is_open {
            inner.stocks.clear();
            inner.wary = WARY_BATCHES;
        }
        inner.is_open = true;
        if inner.wary > 0 {
            inner.wary = inner.wary.saturating_sub(1);
            return None;
        }
        let deducts = |op: &Op| matches!(op.command, Command::Deduct(_) | Command::BatchDeduct(_));
        if !batch.iter().all(deducts) {
            return None;
        }
        let lines = batch.iter().flat_map(|op| op.command.lines());
        let books: BTreeSet<_> = lines.map(|line| line.book).collect();
        books
            .iter()
            .map(|book| inner.stocks.get(book).copied())
            .collect()
    }

    /// Ends the batch that began last: it is committed, and left these balances.
    pub(super) fn end(&self, stocks: &[Stock]) {
        let mut inner = self.lock();
        inner.is_open = false;
        if inner.stocks.len().saturating_add(stocks.len()) > LEN_MAX {
            inner.stocks.clear();
        }
        let stocks = stocks.iter().map(|stock| (stock.book, *stock));
        inner.stocks.extend(stocks);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
