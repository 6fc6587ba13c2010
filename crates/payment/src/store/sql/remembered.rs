//! What this replica knows of attempts and of the feed without a look.

use std::collections::BTreeMap;

use types::OrderId;

use crate::domain::{AttemptState, Op, Outcome, PayBegun, Record, Rows};

/// How many open attempts are remembered; far more than are on their way at once. With more all are forgotten.
const LEN_MAX: usize = 8192;

/// The attempts that this replica opened and nobody has settled since, and where the feed stood last.
///
/// So the two batches that a payment needs can be decided without a look: that an order had no payment,
/// that an attempt is still open and that the feed has not moved is compared when it is written.
#[derive(Debug, Default)]
pub(super) struct Known {
    open: BTreeMap<OrderId, Record>,
    next_event_id: Option<u64>,
}

impl Known {
    /// The rows of `batch`, where it opens first attempts and settles charges that are remembered, and
    /// nothing else.
    ///
    /// What such an operation writes is compared; where it writes nothing, another one of the batch has.
    pub(super) fn rows_of(&self, batch: &[Op]) -> Option<Rows> {
        let mut records = Vec::new();
        let mut next_event_id = 0;
        for op in batch {
            match (op, self.open.get(&op.order_id())) {
                (Op::BeginPay(_), None) => {}
                (Op::SettleCharge(op), Some(record))
                    if op.payment_no == record.attempt.payment_no =>
                {
                    next_event_id = self.next_event_id?;
                    records.push(record.clone());
                }
                _ => return None,
            }
        }
        Some(Rows::new(records, next_event_id))
    }

    /// Notes what became of `batch`, and where the feed stands, if that is known.
    pub(super) fn note(&mut self, batch: &[Op], outcomes: &[Outcome], next_event_id: Option<u64>) {
        self.next_event_id = next_event_id.or(self.next_event_id);
        for (op, outcome) in batch.iter().zip(outcomes) {
            self.open.remove(&op.order_id());
            if let Outcome::PayBegun(PayBegun::Started(record)) = outcome
                && record.attempt.state == AttemptState::Charging
            {
                if self.open.len() >= LEN_MAX {
                    self.open.clear();
                }
                self.open.insert(op.order_id(), record.clone());
            }
        }
    }
}
