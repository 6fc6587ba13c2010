//! What this replica knows of payments and of the feed without a look.

use std::collections::BTreeMap;

use types::OrderId;

use crate::domain::{
    AttemptState, Op, Outcome, PayBegun, Record, RefundBegun, Rescheduled, Rows, Settled,
};

/// How many payments are remembered. With more the oldest orders' are forgotten.
const LEN_MAX: usize = 8192;

/// The payments that this replica wrote last, and where the feed stood then.
///
/// So the two batches that a payment needs can be decided without a look: that an order had no payment, that
/// an attempt is still open or was refused, and that the feed has not moved, is compared when it is written.
#[derive(Debug, Default)]
pub(super) struct Known {
    records: BTreeMap<OrderId, Record>,
    next_event_id: Option<u64>,
}

impl Known {
    /// The rows of `batch`, where it opens attempts and settles charges, and nothing that is remembered
    /// stands in their way; for that a look is needed.
    ///
    /// What such an operation writes is compared; where it writes nothing, another one of the batch has.
    pub(super) fn rows_of(&self, batch: &[Op]) -> Option<Rows> {
        let mut records = Vec::new();
        let mut next_event_id = 0;
        for op in batch {
            let record = self.records.get(&op.order_id());
            let last = record.map(|record| &record.attempt);
            match (op, last) {
                // Should there be a payment all the same, it is a duplicate.
                (Op::BeginPay(_), None) => {}
                (Op::BeginPay(op), Some(last))
                    if last.state == AttemptState::Refused && last.payment_no != op.payment_no => {}
                // Another replica may have opened a later attempt: nothing is known of that.
                (Op::SettleCharge(op), Some(last))
                    if last.state == AttemptState::Charging && last.payment_no == op.payment_no =>
                {
                    next_event_id = self.next_event_id?;
                }
                _ => return None,
            }
            records.extend(record.cloned());
        }
        Some(Rows::new(records, next_event_id))
    }

    /// Notes what became of `batch`, and where the feed stands, if that is known.
    pub(super) fn note(&mut self, batch: &[Op], outcomes: &[Outcome], next_event_id: Option<u64>) {
        self.next_event_id = next_event_id.or(self.next_event_id);
        for (op, outcome) in batch.iter().zip(outcomes) {
            match written_by(outcome) {
                Some(record) => self.records.insert(op.order_id(), record.clone()),
                None => self.records.remove(&op.order_id()),
            };
        }
        while self.records.len() > LEN_MAX {
            self.records.pop_first();
        }
    }
}

/// The record as the operation left it, where it wrote one.
const fn written_by(outcome: &Outcome) -> Option<&Record> {
    match outcome {
        Outcome::PayBegun(PayBegun::Started(record))
        | Outcome::RefundBegun(RefundBegun::Started(record))
        | Outcome::Settled(Settled::Moved(record))
        | Outcome::Rescheduled(Rescheduled::Won(record)) => Some(record),
        Outcome::PayBegun(_)
        | Outcome::RefundBegun(_)
        | Outcome::Settled(_)
        | Outcome::Rescheduled(_) => None,
    }
}

#[cfg(test)]
mod tests {
    //! Proves which batches are decided by memory: what one replica does by itself in the usual course.

    use types::{Fen, PaymentNo, UnixMillis};

    use super::*;
    use crate::domain::{BeginPay, BeginRefund, ChargeResult, Method, SettleCharge, ThirdPartyNo};

    const NOW: UnixMillis = UnixMillis::new(0);

    fn number(serial: u64) -> PaymentNo {
        PaymentNo::generate(NOW, serial)
    }

    fn pay(order: u64, serial: u64) -> Op {
        Op::BeginPay(BeginPay {
            order_id: OrderId::new(order).unwrap(),
            amount: Fen::amount(500).unwrap(),
            method: Method::parse("mock").unwrap(),
            id: serial,
            payment_no: number(serial),
            now: NOW,
            check_at: NOW,
        })
    }

    fn settle(order: u64, serial: u64, is_charged: bool) -> Op {
        let third_party_no = ThirdPartyNo::mock(&number(serial));
        Op::SettleCharge(SettleCharge {
            order_id: OrderId::new(order).unwrap(),
            payment_no: number(serial),
            result: if is_charged {
                ChargeResult::Charged { third_party_no }
            } else {
                ChargeResult::Refused
            },
            now: NOW,
        })
    }

    /// Applies a batch by memory and notes it; whether that was possible.
    fn apply(known: &mut Known, batch: &[Op]) -> bool {
        let Some(mut rows) = known.rows_of(batch) else {
            return false;
        };
        let outcomes: Vec<_> = batch.iter().map(|op| rows.apply(op)).collect();
        let may_append = batch.iter().any(Op::may_append_event);
        known.note(batch, &outcomes, may_append.then(|| rows.next_event_id()));
        true
    }

    #[test]
    fn an_order_that_is_paid_at_the_second_try_needs_no_look() {
        let mut known = Known::default();
        assert!(apply(&mut known, &[pay(1, 1), pay(2, 2)]));
        assert!(
            !apply(&mut known, &[settle(1, 1, false)]),
            "where is the feed?"
        );
        known.next_event_id = Some(7);
        assert!(apply(
            &mut known,
            &[settle(1, 1, false), settle(2, 2, true)]
        ));
        assert!(apply(&mut known, &[pay(1, 3)]));
        assert!(apply(&mut known, &[settle(1, 3, true)]));
        assert_eq!(known.next_event_id, Some(10));
    }

    #[test]
    fn what_stands_in_the_way_is_looked_at() {
        let mut known = Known {
            next_event_id: Some(1),
            ..Known::default()
        };
        assert!(apply(&mut known, &[pay(1, 1)]));
        for batch in [
            [pay(1, 2)],
            [settle(1, 2, true)],
            [settle(2, 3, true)],
            [Op::BeginRefund(BeginRefund {
                order_id: OrderId::new(1).unwrap(),
                now: NOW,
                check_at: NOW,
            })],
        ] {
            assert!(known.rows_of(&batch).is_none(), "{batch:?}");
        }
        assert!(apply(&mut known, &[settle(1, 1, true)]));
        assert!(known.rows_of(&[pay(1, 2)]).is_none(), "it is paid");
    }

    #[test]
    fn memory_is_bounded() {
        let mut known = Known::default();
        for order in 1..=u64::try_from(LEN_MAX).unwrap() + 10 {
            assert!(apply(&mut known, &[pay(order, order)]));
        }
        assert_eq!(known.records.len(), LEN_MAX);
    }
}
