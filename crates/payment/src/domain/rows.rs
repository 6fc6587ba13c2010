use std::collections::BTreeMap;
use std::mem;

use types::{OrderId, PaymentNo, PaymentStatus, UnixMillis};

use super::{
    Attempt, AttemptState, BeginPay, BeginRefund, ChargeResult, Event, Op, Outcome, PayBegun,
    Payment, Record, RefundBegun, RefundResult, Reschedule, Rescheduled, SettleCharge,
    SettleRefund, Settled,
};

/// The rows that a batch of operations touches, and what the batch changed in them.
///
/// A store loads them, applies its operations one after another, and writes the [`Changes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    records: BTreeMap<OrderId, Record>,
    next_event_id: u64,
    changes: Changes,
}

/// What a store has to write: each row once, however often the batch changed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Payments that are new or have changed.
    pub payments: BTreeMap<OrderId, Change<Payment>>,
    /// Attempts that are new or have changed.
    pub attempts: BTreeMap<PaymentNo, Change<Attempt>>,
    /// The events to append to the feed, in order.
    pub events: Vec<Event>,
}

/// A row that has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<R> {
    /// What it was before the batch; `None` where it is new.
    pub before: Option<R>,
    /// What it is now.
    pub now: R,
}

impl Rows {
    /// Takes the rows as they are stored. `next_event_id` matters only where an operation may
    /// append to the feed.
    pub fn new(records: impl IntoIterator<Item = Record>, next_event_id: u64) -> Self {
        let records = records
            .into_iter()
            .map(|record| (record.payment.order_id, record))
            .collect();
        Self {
            records,
            next_event_id,
            changes: Changes::default(),
        }
    }

    /// What is known about an order's money.
    pub fn record(&self, order_id: OrderId) -> Option<&Record> {
        self.records.get(&order_id)
    }

    /// Every record, by ascending order id.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// The id that the feed's next event gets.
    pub fn next_event_id(&self) -> u64 {
        self.next_event_id
    }

    /// Hands over what changed since the rows were loaded, or since the last call.
    pub fn take_changes(&mut self) -> Changes {
        mem::take(&mut self.changes)
    }

    /// Decides one operation and changes the rows accordingly.
    ///
    /// A refusal changes nothing, so it never affects the other operations of the batch.
    pub fn apply(&mut self, op: &Op) -> Outcome {
        match op {
            Op::BeginPay(op) => Outcome::PayBegun(self.begin_pay(op)),
            Op::SettleCharge(op) => Outcome::Settled(self.settle_charge(op)),
            Op::BeginRefund(op) => Outcome::RefundBegun(self.begin_refund(op)),
            Op::SettleRefund(op) => Outcome::Settled(self.settle_refund(op)),
            Op::Reschedule(op) => Outcome::Rescheduled(self.reschedule(op)),
        }
    }

    fn begin_pay(&mut self, op: &BeginPay) -> PayBegun {
        let Some(record) = self.records.get(&op.order_id) else {
            return PayBegun::Started(self.open_first_attempt(op));
        };
        // The same operation again, after its first outcome stayed unknown.
        let is_repeat = record.attempt.payment_no == op.payment_no;
        match record.attempt.state {
            AttemptState::Charging if is_repeat => PayBegun::Started(record.clone()),
            AttemptState::Refused if is_repeat => PayBegun::RefusedBefore,
            AttemptState::Charging => PayBegun::InFlight(record.clone()),
            AttemptState::Charged | AttemptState::Refunding => {
                PayBegun::AlreadyPaid(record.payment.clone())
            }
            AttemptState::Refunded => PayBegun::Refunded,
            AttemptState::Refused => PayBegun::Started(self.open_next_attempt(op, &record.clone())),
        }
    }

    fn open_first_attempt(&mut self, op: &BeginPay) -> Record {
        let payment = Payment {
            id: op.id,
            payment_no: op.payment_no.clone(),
            order_id: op.order_id,
            amount: op.amount,
            status: PaymentStatus::Pending,
            method: op.method.clone(),
            third_party_no: None,
            created_at: op.now,
            updated_at: op.now,
        };
        self.open_attempt(op, payment)
    }

    fn open_next_attempt(&mut self, op: &BeginPay, before: &Record) -> Record {
        let payment = Payment {
            payment_no: op.payment_no.clone(),
            amount: op.amount,
            status: PaymentStatus::Pending,
            method: op.method.clone(),
            third_party_no: None,
            updated_at: op.now,
            ..before.payment.clone()
        };
        self.open_attempt(op, payment)
    }

    fn open_attempt(&mut self, op: &BeginPay, payment: Payment) -> Record {
        let attempt = Attempt {
            payment_no: op.payment_no.clone(),
            order_id: op.order_id,
            amount: op.amount,
            method: op.method.clone(),
            state: AttemptState::Charging,
            next_check_at: Some(op.check_at),
            created_at: op.now,
            updated_at: op.now,
        };
        let record = Record { payment, attempt };
        self.keep(&record);
        record
    }

    fn settle_charge(&mut self, op: &SettleCharge) -> Settled {
        let Some(mut record) = self.last_attempt(op.order_id, &op.payment_no) else {
            return Settled::Superseded;
        };
        if record.attempt.state != AttemptState::Charging {
            return Settled::Stands(record);
        }
        let (state, third_party_no) = match &op.result {
            ChargeResult::Charged { third_party_no } => {
                (AttemptState::Charged, Some(third_party_no.clone()))
            }
            ChargeResult::Refused => (AttemptState::Refused, None),
        };
        record.attempt.close(state, op.now);
        record.payment.third_party_no = third_party_no;
        self.settle(record, op.now)
    }

    fn begin_refund(&mut self, op: &BeginRefund) -> RefundBegun {
        let Some(mut record) = self.records.get(&op.order_id).cloned() else {
            return RefundBegun::NotFound;
        };
        match record.attempt.state {
            AttemptState::Charged => {
                record
                    .attempt
                    .open(AttemptState::Refunding, op.check_at, op.now);
                self.keep(&record);
                RefundBegun::Started(record)
            }
            AttemptState::Refunding => RefundBegun::InFlight(record),
            AttemptState::Refunded => RefundBegun::NotRefundable {
                refund_no: Some(record.refund_no()),
            },
            AttemptState::Charging | AttemptState::Refused => {
                RefundBegun::NotRefundable { refund_no: None }
            }
        }
    }

    fn settle_refund(&mut self, op: &SettleRefund) -> Settled {
        let Some(mut record) = self.last_attempt(op.order_id, &op.payment_no) else {
            return Settled::Superseded;
        };
        if record.attempt.state != AttemptState::Refunding {
            return Settled::Stands(record);
        }
        match op.result {
            RefundResult::Refunded => {
                record.attempt.close(AttemptState::Refunded, op.now);
                self.settle(record, op.now)
            }
            // The payment was PAID all the while and still is: nothing to tell the feed.
            RefundResult::Refused => {
                record.attempt.close(AttemptState::Charged, op.now);
                self.keep(&record);
                Settled::Moved(record)
            }
        }
    }

    fn reschedule(&mut self, op: &Reschedule) -> Rescheduled {
        let Some(mut record) = self.last_attempt(op.order_id, &op.payment_no) else {
            return Rescheduled::Lost;
        };
        if !record.attempt.is_open() || record.attempt.next_check_at != Some(op.seen) {
            return Rescheduled::Lost;
        }
        record.attempt.next_check_at = Some(op.next);
        self.keep(&record);
        Rescheduled::Won(record)
    }

    /// The record of the order, if `payment_no` is its last attempt. Any other attempt of the order
    /// has already ended.
    fn last_attempt(&self, order_id: OrderId, payment_no: &PaymentNo) -> Option<Record> {
        let record = self.records.get(&order_id)?;
        (record.attempt.payment_no == *payment_no).then(|| record.clone())
    }

    /// Brings the payment in line with its attempt and appends the event to the feed, in one step.
    fn settle(&mut self, mut record: Record, now: UnixMillis) -> Settled {
        record.payment.status = record.attempt.state.status();
        record.payment.updated_at = now;
        self.changes.events.push(Event {
            id: self.next_event_id,
            order_id: record.payment.order_id,
            payment_no: record.payment.payment_no.clone(),
            amount: record.payment.amount,
            status: record.payment.status,
            created_at: now,
        });
        self.next_event_id = self.next_event_id.saturating_add(1);
        self.keep(&record);
        Settled::Moved(record)
    }

    /// Stores a record and notes which of its rows have to be written.
    fn keep(&mut self, record: &Record) {
        let Record { payment, attempt } = record;
        let before = self.records.insert(payment.order_id, record.clone());
        let (payment_before, last_attempt) = before
            .map(|before| (before.payment, before.attempt))
            .unzip();
        note(
            &mut self.changes.payments,
            payment.order_id,
            payment_before,
            payment,
        );
        let number = &attempt.payment_no;
        let attempt_before = last_attempt.filter(|last| last.payment_no == *number);
        note(
            &mut self.changes.attempts,
            number.clone(),
            attempt_before,
            attempt,
        );
    }
}

/// Notes a row that changed from `before` to `now`; does nothing if they are equal.
fn note<K: Ord, R: Clone + PartialEq>(
    changes: &mut BTreeMap<K, Change<R>>,
    key: K,
    before: Option<R>,
    now: &R,
) {
    if before.as_ref() == Some(now) {
        return;
    }
    changes
        .entry(key)
        .and_modify(|change| change.now.clone_from(now))
        .or_insert_with(|| Change {
            before,
            now: now.clone(),
        });
}

#[cfg(test)]
mod tests;
