//! Where stock is kept. Each method is a whole unit of work, not a single query.
//!
//! [`Store`] has two implementations, held to one suite of tests: [`memory`], the model, and
//! [`sql`], one SQL text for all database servers.

pub mod memory;
pub mod sql;
mod stocks_by_book;

use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::{Batch, BatchWriter};
use platform::db::DbError;
use types::BookId;

use crate::audit::Audit;
use crate::domain::{Decision, Op, Stock};

pub(crate) use stocks_by_book::StocksByBook;

/// The stock of all books, its ledger and its keys.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies the operations one after another in one transaction; returns one decision each, in order.
    ///
    /// Shape: any mix of operations, including several on one key or one book. Idempotent: as far
    /// as each operation is, by its key.
    /// # Errors
    /// Nothing of the batch was applied, except that [`DbError::OutcomeUnknown`] leaves this open.
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Decision>, DbError>;

    /// Reads the balances of `books`, in any order; books never stocked are left out.
    async fn read_stocks(&self, books: &[BookId]) -> Result<Vec<Stock>, DbError>;

    /// Sums all balances on one snapshot, and adds to `known` the ledger entries after it: once all
    /// of them, once only those up to the id `settled_to`.
    async fn read_sums(&self, known: LedgerSums, settled_to: i64) -> Result<Sums, DbError>;

    /// Checks balances, ledger and holds against each other, on one snapshot. Costs a few passes over
    /// the whole ledger.
    async fn read_audit(&self) -> Result<Audit, DbError>;

    /// Closes the store; nothing is read or written afterwards.
    async fn close(&self);
}

/// The ledger, summed up to and including its entry `last_entry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerSums {
    /// The id of the last entry that is in the sums; 0 before the first.
    pub last_entry: i64,
    /// All changes of free copies.
    pub quantity: i64,
    /// All changes of reserved copies.
    pub reserved: i64,
}

/// All balances against the whole ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// Free copies of all books, by their balances.
    pub quantity: i64,
    /// Reserved copies of all books, by their balances.
    pub reserved: i64,
    /// The same by the ledger.
    pub ledger: LedgerSums,
    /// The ledger's sums up to the entry that was asked for, and no further.
    pub settled: LedgerSums,
}

impl LedgerSums {
    /// These sums plus one more entry, or several already summed.
    pub(crate) fn and(self, last_entry: i64, quantity: i64, reserved: i64) -> Self {
        Self {
            last_entry: self.last_entry.max(last_entry),
            quantity: self.quantity.saturating_add(quantity),
            reserved: self.reserved.saturating_add(reserved),
        }
    }
}

impl Sums {
    /// By how many copies the balances and the ledger differ; 0 while all is well.
    pub const fn drift(&self) -> u64 {
        let quantity = self.quantity.abs_diff(self.ledger.quantity);
        quantity.saturating_add(self.reserved.abs_diff(self.ledger.reserved))
    }
}

/// The store behind a combiner: the write path of the service.
pub(crate) struct StockWriter(pub(crate) Arc<dyn Store>);

#[async_trait]
impl BatchWriter for StockWriter {
    type Op = Op;
    type Out = Decision;

    fn name(op: &Op) -> &'static str {
        op.command.name()
    }

    async fn write(&self, batch: Batch<Op>) -> Result<Vec<Decision>, DbError> {
        self.0.apply(batch).await
    }
}
