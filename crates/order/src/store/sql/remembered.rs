//! Creations that this replica wrote down and has not touched since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use types::OrderId;

use crate::domain::{Inserted, Op, Order, Outcome, Touched};

/// How many are remembered; far more than are on their way at once. With more all are forgotten.
const LEN_MAX: usize = 8192;

/// Creations as they were written down, so that confirming one need not read its row.
///
/// Others may write to the row meanwhile. Recovery moves its status, and the update that confirms
/// holds on to the one that is remembered; money is noted in columns that this update leaves alone.
#[derive(Default)]
pub(super) struct Made(Mutex<BTreeMap<OrderId, Order>>);

impl Made {
    /// Remembers what `batch` wrote down and did nothing else to. It is committed.
    pub(super) fn remember(&self, batch: &[Op], outcomes: &[Outcome]) {
        let touched = touched_by(batch, |op| !matches!(op, Op::Insert(_)));
        let mut made = self.lock();
        for pair in batch.iter().zip(outcomes) {
            if let (Op::Insert(new), Outcome::Insert(Inserted::New)) = pair
                && !touched.contains(&new.id)
            {
                if made.len() >= LEN_MAX {
                    made.clear();
                }
                made.insert(new.id, new.creating());
            }
        }
    }

    /// Forgets all orders that `batch` touches; answers those that it confirms and does nothing else to.
    pub(super) fn take(&self, batch: &[Op]) -> Vec<Order> {
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

fn touched_by(batch: &[Op], is_meant: impl Fn(&Op) -> bool) -> BTreeSet<OrderId> {
    let mut touched = Touched::default();
    let meant = batch.iter().filter(|op| is_meant(op));
    meant.for_each(|op| op.touch(&mut touched));
    touched.orders
}
