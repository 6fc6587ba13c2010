//! Balances as this replica last left them.

use std::collections::{BTreeSet, HashMap};

use types::BookId;

use crate::domain::{Command, Op, Stock};

/// How many balances are remembered; beyond that, all are forgotten.
const LEN_MAX: usize = 65_536;

/// Balances as this replica last left them, so that deductions need not read them; the database
/// compares them when they are written.
#[derive(Debug, Default)]
pub(super) struct Balances(HashMap<BookId, Stock>);

impl Balances {
    /// The balances of all books of `batch`; `None` if it does more than deduct, or not all of them are remembered.
    pub(super) fn of(&self, batch: &[Op]) -> Option<Vec<Stock>> {
        let deducts = |op: &Op| matches!(op.command, Command::Deduct(_) | Command::BatchDeduct(_));
        if !batch.iter().all(deducts) {
            return None;
        }
        let lines = batch.iter().flat_map(|op| op.command.lines());
        let books: BTreeSet<_> = lines.map(|line| line.book).collect();
        books.iter().map(|book| self.0.get(book).copied()).collect()
    }

    /// Notes the balances that a batch left.
    pub(super) fn note(&mut self, stocks: &[Stock]) {
        if self.0.len().saturating_add(stocks.len()) > LEN_MAX {
            self.0.clear();
        }
        self.0
            .extend(stocks.iter().map(|stock| (stock.book, *stock)));
    }
}
