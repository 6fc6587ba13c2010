//! What the run knows that it did: copies taken, orders made.

use std::collections::{BTreeMap, VecDeque};

use types::OrderStatus;

/// How many of the latest orders are read back.
const LATEST_ORDERS: usize = 500;

/// Whether the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was acknowledged.
    Surely,
    /// There was no answer: it may have happened, or not.
    Maybe,
}

/// Something that happened at least `sure` times, and `maybe` times more at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count {
    pub(super) sure: i64,
    pub(super) maybe: i64,
}

impl Count {
    fn add(&mut self, count: i64, known: Known) {
        let part = match known {
            Known::Surely => &mut self.sure,
            Known::Maybe => &mut self.maybe,
        };
        *part = part.saturating_add(count);
    }

    /// The least and the most that it may be.
    pub(super) const fn range(self) -> (i64, i64) {
        (self.sure, self.sure.saturating_add(self.maybe))
    }
}

/// The copies of one book that the run moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Account {
    /// Free copies that were promised to somebody.
    pub(super) taken: Count,
    /// Promised copies that are free again.
    pub(super) returned: Count,
    /// Promised copies that have left.
    pub(super) committed: Count,
}

/// Some copies of the book at a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) rank: u32,
    pub(super) copies: i32,
}

/// An order that was acknowledged, and what must be true of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) order_no: String,
    pub(super) buyer: u64,
    pub(super) total_fen: i64,
    pub(super) lines: Vec<Line>,
    /// The states that it may be in.
    pub(super) states: &'static [OrderStatus],
}

/// Everything that the run did.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By rank; a book that is not in it was not touched.
    pub(super) accounts: BTreeMap<u32, Account>,
    pub(super) orders: Count,
    pub(super) latest: VecDeque<Note>,
    /// How often buyers were told that there are too few copies of the book at a rank.
    pub(super) sold_out: BTreeMap<u32, u64>,
}

impl Ledger {
    pub(super) fn take(&mut self, lines: &[Line], known: Known) {
        self.each(lines, |account| &mut account.taken, known);
    }

    pub(super) fn give_back(&mut self, lines: &[Line], known: Known) {
        self.each(lines, |account| &mut account.returned, known);
    }

    pub(super) fn commit(&mut self, lines: &[Line], known: Known) {
        self.each(lines, |account| &mut account.committed, known);
    }

    /// An order was, or may have been, made: it holds its copies.
    pub(super) fn order(&mut self, lines: &[Line], known: Known) {
        self.orders.add(1, known);
        self.take(lines, known);
    }

    /// Remembers an order at the end of what is done with it.
    pub(super) fn remember(&mut self, note: Note) {
        if self.latest.len() == LATEST_ORDERS {
            self.latest.pop_front();
        }
        self.latest.push_back(note);
    }

    /// A buyer of this one book was told that there is none left.
    pub(super) fn refuse(&mut self, rank: u32) {
        let refused = self.sold_out.entry(rank).or_default();
        *refused = refused.saturating_add(1);
    }

    fn each(&mut self, lines: &[Line], part: fn(&mut Account) -> &mut Count, known: Known) {
        for line in lines {
            let account = self.accounts.entry(line.rank).or_default();
            part(account).add(line.copies.into(), known);
        }
    }
}
