//! The model: all rows in memory, and the rules applied to them. The SQL store is compared with it,
//! and simulations run on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::DbError;
use types::{BookId, IdempotencyKey};

use super::{LedgerSums, Store, Sums};
use crate::audit::{Audit, Facts, HoldSum, LedgerSum, RememberedHold};
use crate::domain::{Decision, Entry, HoldState, KeyRow, KeyUse, Movement, Op, Rows, Stock};

/// Stock in memory, gone when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct State {
    rows: Rows,
    ledger: Vec<Entry>,
}

/// Everything that a [`MemoryStore`] held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(State);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The whole ledger, in the order in which it was written.
    pub fn ledger(&self) -> Vec<Entry> {
        self.lock().ledger.clone()
    }

    /// What is remembered of every key, ascending.
    pub fn keys(&self) -> Vec<(IdempotencyKey, KeyRow)> {
        let state = self.lock();
        let keys = state.rows.keys();
        keys.map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    /// What the store holds now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.lock().clone())
    }

    /// Goes back to what the store held at `snapshot`.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.lock().clone_from(&snapshot.0);
    }

    /// Looks at the rows and the ledger as they stand, between two transactions.
    pub fn inspect<T>(&self, look: impl FnOnce(&Rows, &[Entry]) -> T) -> T {
        let state = self.lock();
        look(&state.rows, &state.ledger)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The rules do not panic, so no operation is left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Decision>, DbError> {
        let mut state = self.lock();
        let decisions = batch.iter().map(|op| state.rows.apply(op)).collect();
        let changes = state.rows.take_changes();
        state.ledger.extend(changes.entries);
        Ok(decisions)
    }

    async fn read_stocks(&self, books: &[BookId]) -> Result<Vec<Stock>, DbError> {
        let state = self.lock();
        Ok(books
            .iter()
            .filter_map(|book| state.rows.stock(*book))
            .collect())
    }

    async fn read_sums(&self, known: LedgerSums, settled_to: i64) -> Result<Sums, DbError> {
        let state = self.lock();
        let mut sums = Sums {
            quantity: 0,
            reserved: 0,
            ledger: known,
            settled: known,
        };
        for stock in state.rows.stocks() {
            sums.quantity = sums.quantity.saturating_add(stock.quantity.into());
            sums.reserved = sums.reserved.saturating_add(stock.reserved.into());
        }
        let counted = usize::try_from(known.last_entry).unwrap_or(0);
        for entry in state.ledger.iter().skip(counted) {
            let (quantity, reserved) = (entry.change_quantity.into(), entry.change_reserved.into());
            let id = sums.ledger.last_entry.saturating_add(1);
            sums.ledger = sums.ledger.and(id, quantity, reserved);
            if id <= settled_to {
                sums.settled = sums.settled.and(id, quantity, reserved);
            }
        }
        Ok(sums)
    }

    async fn read_audit(&self) -> Result<Audit, DbError> {
        let state = self.lock();
        let (ledgers, breaks) = ledger_sums(&state.ledger);
        let facts = Facts {
            balances: state.rows.stocks().copied().collect(),
            ledgers,
            breaks,
            hold_sums: hold_sums(&state.ledger),
            open_holds: open_holds(&state.rows),
        };
        Ok(facts.judge())
    }

    async fn close(&self) {}
}

fn ledger_sums(ledger: &[Entry]) -> (Vec<LedgerSum>, Vec<(BookId, i64)>) {
    let mut sums: BTreeMap<BookId, (LedgerSum, Stock)> = BTreeMap::new();
    let mut breaks = Vec::new();
    for entry in ledger {
        let book = entry.after.book;
        let (sum, before) = sums.entry(book).or_insert_with(|| {
            let sum = LedgerSum {
                book,
                quantity: 0,
                reserved: 0,
                restocked: 0,
                committed: 0,
                entries: 0,
            };
            (sum, Stock::none(book))
        });
        let follows = before.quantity.checked_add(entry.change_quantity)
            == Some(entry.after.quantity)
            && before.reserved.checked_add(entry.change_reserved) == Some(entry.after.reserved)
            && before.version.checked_add(1) == Some(entry.after.version);
        if !follows {
            breaks.push((book, entry.after.version));
        }
        *before = entry.after;
        let (quantity, reserved) = (entry.change_quantity.into(), entry.change_reserved.into());
        sum.quantity = sum.quantity.saturating_add(quantity);
        sum.reserved = sum.reserved.saturating_add(reserved);
        sum.entries = sum.entries.saturating_add(1);
        match entry.movement {
            Movement::Restock => sum.restocked = sum.restocked.saturating_add(quantity),
            Movement::Commit => sum.committed = sum.committed.saturating_sub(reserved),
            Movement::Deduct | Movement::Release => {}
        }
    }
    (sums.into_values().map(|(sum, _)| sum).collect(), breaks)
}

fn hold_sums(ledger: &[Entry]) -> Vec<HoldSum> {
    let mut sums: BTreeMap<(IdempotencyKey, BookId), HoldSum> = BTreeMap::new();
    for entry in ledger {
        let (Some(key), Some(reference)) = (&entry.hold_key, entry.reference) else {
            continue;
        };
        let book = entry.after.book;
        let sum = sums.entry((key.clone(), book)).or_insert_with(|| HoldSum {
            key: key.clone(),
            reference,
            book,
            outstanding: 0,
            changed_at: entry.created_at,
        });
        sum.outstanding = sum.outstanding.saturating_add(entry.change_reserved.into());
        sum.changed_at = sum.changed_at.max(entry.created_at);
    }
    sums.into_values()
        .filter(|sum| sum.outstanding != 0)
        .collect()
}

fn open_holds(rows: &Rows) -> BTreeMap<IdempotencyKey, RememberedHold> {
    let mut open = BTreeMap::new();
    for (key, row) in rows.keys() {
        let KeyUse::Hold(hold) = &row.used else {
            continue;
        };
        if hold.state != HoldState::Held {
            continue;
        }
        let remembered = match hold.lines.first() {
            Some(line) if hold.is_single() => RememberedHold::Single(line.outstanding.into()),
            _ => RememberedHold::batch_of(&hold.lines),
        };
        open.insert(key.clone(), remembered);
    }
    open
}
