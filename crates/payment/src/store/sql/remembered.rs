//! What this replica knows of payments and of the feed without a read.

use std::collections::BTreeMap;

use types::OrderId;

use crate::domain::{AttemptState, Op, Record, Rows};

/// How many payments are remembered; beyond that, those of the oldest orders are forgotten.
const LEN_MAX: usize = 8192;

/// The payments that this replica last wrote or read, and where the feed ended then.
///
/// With them the two batches that a payment needs can be decided without a read. The writes verify
/// what was assumed: that the order had no payment, that the attempt is still open or was refused,
/// and that the feed has not moved.
#[derive(Debug, Default)]
pub(super) struct Known {
    records: BTreeMap<OrderId, Record>,
    next_event_id: Option<u64>,
}

impl Known {
    /// The rows of `batch`, if it only opens attempts and settles charges, and nothing remembered
    /// stands in their way. Otherwise `None`: the rows have to be read.
    ///
    /// The database verifies whatever such an operation writes. Of two requests in one batch to pay
    /// the same order the second writes nothing: it is decided by what the first one wrote.
    pub(super) fn rows_of(&self, batch: &[Op]) -> Option<Rows> {
        let mut records = Vec::new();
        let mut next_event_id = 0;
        for op in batch {
            let record = self.records.get(&op.order_id());
            let last = record.map(|record| &record.attempt);
            match (op, last) {
                // If there is a payment after all, the insert fails as a duplicate.
                (Op::BeginPay(_), None) => {}
                (Op::BeginPay(op), Some(last))
                    if last.state == AttemptState::Refused && last.payment_no != op.payment_no => {}
                // Only the remembered attempt: nothing is known of a later one that another replica may have opened.
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

    /// Notes the rows of `batch` as they are after it, whether it wrote them or only read them.
    pub(super) fn note(&mut self, batch: &[Op], rows: &Rows) {
        if batch.iter().any(Op::may_append_event) {
            self.next_event_id = Some(rows.next_event_id());
        }
        let now = rows.records().cloned();
        self.records
            .extend(now.map(|record| (record.payment.order_id, record)));
        while self.records.len() > LEN_MAX {
            self.records.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves which batches are decided from memory: whatever a replica on its own does in the usual course.

    use types::{Fen, PaymentNo, UnixMillis};

    use super::*;
    use crate::domain::{BeginPay, BeginRefund, ChargeResult, Method, SettleCharge, ThirdPartyNo};

    const NOW: UnixMillis = UnixMillis::new(0);

    fn number(serial: u64) -> PaymentNo {
        PaymentNo::generate(NOW, serial)
    }

    fn order(id: u64) -> OrderId {
        OrderId::new(id).unwrap()
    }

    fn pay(id: u64, serial: u64) -> Op {
        Op::BeginPay(BeginPay {
            order_id: order(id),
            amount: Fen::amount(500).unwrap(),
            method: Method::parse("mock").unwrap(),
            id: serial,
            payment_no: number(serial),
            now: NOW,
            check_at: NOW,
        })
    }

    fn settle(id: u64, serial: u64, is_charged: bool) -> Op {
        let third_party_no = ThirdPartyNo::mock(&number(serial));
        Op::SettleCharge(SettleCharge {
            order_id: order(id),
            payment_no: number(serial),
            result: if is_charged {
                ChargeResult::Charged { third_party_no }
            } else {
                ChargeResult::Refused
            },
            now: NOW,
        })
    }

    /// Applies a batch from memory and notes it; returns whether that was possible.
    fn apply(known: &mut Known, batch: &[Op]) -> bool {
        let Some(mut rows) = known.rows_of(batch) else {
            return false;
        };
        for op in batch {
            rows.apply(op);
        }
        known.note(batch, &rows);
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
                order_id: order(1),
                now: NOW,
                check_at: NOW,
            })],
        ] {
            assert!(known.rows_of(&batch).is_none(), "{batch:?}");
        }
        assert!(apply(&mut known, &[settle(1, 1, true)]));
        // However often somebody tries to pay a paid order, a read finds it paid and keeps it remembered.
        for serial in 2..5 {
            let batch = [pay(1, serial)];
            assert!(known.rows_of(&batch).is_none(), "it is paid");
            let mut rows = Rows::new(known.records.get(&order(1)).cloned(), 0);
            rows.apply(&batch[0]);
            known.note(&batch, &rows);
        }
    }

    #[test]
    fn who_comes_second_in_a_batch_leaves_what_the_first_one_wrote() {
        let mut known = Known {
            next_event_id: Some(1),
            ..Known::default()
        };
        assert!(apply(&mut known, &[pay(1, 1), pay(1, 2)]));
        assert!(apply(&mut known, &[settle(1, 1, true)]));
    }

    #[test]
    fn memory_is_bounded() {
        let mut known = Known::default();
        for id in 1..=u64::try_from(LEN_MAX).unwrap() + 10 {
            assert!(apply(&mut known, &[pay(id, id)]));
        }
        assert_eq!(known.records.len(), LEN_MAX);
    }
}
