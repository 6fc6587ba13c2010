//! What this replica wrote last: creations that it has not touched since, and intents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platform::db::{Recall, Remembered};
use types::OrderId;

use crate::domain::{Birth, Change, Inserted, Intent, Op, Order, Outcome, Rows, Touched};

/// What batches need not read, as this replica wrote it last.
#[derive(Default)]
pub(super) struct Memory {
    made: Made,
    intents: Arc<Remembered<OpenIntents>>,
}

/// The memory as one batch uses it, from its start to the end of its commit.
pub(super) struct MemoryRecall {
    memory: Arc<Memory>,
    intents: Recall<OpenIntents>,
}

impl Memory {
    /// The memory for a batch that is about to begin.
    pub(super) fn recall(self: &Arc<Self>) -> MemoryRecall {
        MemoryRecall {
            memory: Arc::clone(self),
            intents: self.intents.recall(),
        }
    }
}

impl MemoryRecall {
    /// Loads what `batch` need not read, and removes it from `touched`. A batch that is retried
    /// finds nothing left here, and reads what has become of it.
    pub(super) fn load(&self, batch: &[Op], touched: &mut Touched, rows: &mut Rows) {
        for order in self.memory.made.take(batch) {
            touched.orders.remove(&order.id);
            rows.load_order(order);
        }
        if let Some(open) = self.intents.begin(|open| open.all_of(touched)) {
            touched.intents.clear();
            for intent in open {
                rows.load_intent(intent);
            }
        }
    }

    /// Remembers what the batch left in `rows`, before its commit: the next batch goes by it.
    pub(super) fn note(&self, batch: &[Op], outcomes: &[Outcome], rows: &Rows) {
        self.memory.made.remember(batch, outcomes);
        self.intents.note(|open| open.note(rows));
    }

    /// The batch is committed.
    pub(super) fn end(&self) {
        self.intents.end();
    }
}

/// How many creations are remembered, far more than are in flight at once. Beyond that all are forgotten.
const LEN_MAX: usize = 8192;

/// Creations as they were written, so that confirming one need not read its row.
///
/// Others may write to the row meanwhile. Recovery changes its status, which the confirming update
/// compares with what is remembered; money is recorded in columns that this update leaves alone. So
/// a creation whose commit failed does no harm here either: there is no row to update.
#[derive(Default)]
struct Made(Mutex<BTreeMap<OrderId, Order>>);

impl Made {
    /// Remembers the creations that `batch` wrote and did nothing else to.
    fn remember(&self, batch: &[Op], outcomes: &[Outcome]) {
        let touched = touched_by(batch, |op| !matches!(op, Op::Insert(_)));
        let mut made = self.lock();
        for pair in batch.iter().zip(outcomes) {
            if let (Op::Insert(new), Outcome::Insert(Inserted::New)) = pair
                && matches!(new.birth, Birth::Creating { .. })
                && !touched.contains(&new.id)
            {
                if made.len() >= LEN_MAX {
                    made.clear();
                }
                made.insert(new.id, new.as_written());
            }
        }
    }

    /// Forgets the orders that `batch` touches; returns those that it only confirms.
    fn take(&self, batch: &[Op]) -> Vec<Order> {
        let confirms = |op: &Op| matches!(op, Op::Confirm { .. });
        let (confirmed, touched) = (
            touched_by(batch, confirms),
            touched_by(batch, |op| !confirms(op)),
        );
        let mut made = self.lock();
        for id in &touched {
            made.remove(id);
        }
        confirmed.iter().filter_map(|id| made.remove(id)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<OrderId, Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Intents as they were written last, so that writing an order need not read its intent.
///
/// Recovery may have taken one over since: the update that counts the order compares the row with
/// what is remembered.
#[derive(Default)]
struct OpenIntents(BTreeMap<OrderId, Intent>);

/// How many intents are remembered: those in use, and some that recovery closed. Beyond that all are forgotten.
const INTENTS_MAX: usize = 64;

impl OpenIntents {
    /// All intents that a batch touches; `None` where one of them has to be read.
    fn all_of(&self, touched: &Touched) -> Option<Vec<Intent>> {
        let known = |first| self.0.get(first).copied();
        touched.intents.iter().map(known).collect()
    }

    /// Remembers what a batch wrote.
    fn note(&mut self, rows: &Rows) {
        for change in rows.intent_changes() {
            match change {
                Change::Insert(first, intent)
                | Change::Update {
                    key: first,
                    after: intent,
                    ..
                } => {
                    if self.0.len() >= INTENTS_MAX {
                        self.0.clear();
                    }
                    self.0.insert(*first, *intent);
                }
                Change::Delete(first) => {
                    self.0.remove(first);
                }
            }
        }
    }
}

fn touched_by(batch: &[Op], is_meant: impl Fn(&Op) -> bool) -> BTreeSet<OrderId> {
    let mut touched = Touched::default();
    let meant = batch.iter().filter(|op| is_meant(op));
    meant.for_each(|op| op.touch(&mut touched));
    touched.orders
}
