//! What all buyers of a run share.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::ledger::{Ledger, Note};
use super::plan::Plan;
use super::popularity::Popularity;
use super::shelf::Shelf;

/// What is asked for, what there is to buy, and what was done.
pub(super) struct Market {
    pub(super) plan: Plan,
    pub(super) shelf: Shelf,
    pub(super) popularity: Popularity,
    /// Orders that were made to be read, once they are.
    pub(super) readable: OnceLock<Vec<Note>>,
    ledger: Mutex<Ledger>,
}

impl Market {
    /// A market on which nothing was done yet, and whose books are not in place.
    pub(super) fn new(plan: Plan) -> anyhow::Result<Self> {
        // Reads are of books that stay; what takes stock needs books of its own.
        let shelf = if plan.scenario.takes_stock() {
            Shelf::new(plan.books())
        } else {
            Shelf::lasting(plan.books())
        };
        Ok(Self {
            popularity: Popularity::zipf(shelf.books(), plan.zipf().unwrap_or(0.0))?,
            plan,
            shelf,
            readable: OnceLock::new(),
            ledger: Mutex::default(),
        })
    }

    /// What was done so far.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Sums and lists: were a holder to die, they would still be whole.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
