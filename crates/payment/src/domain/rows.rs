use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use types::{OrderId, PaymentNo, PaymentStatus, UnixMillis};

use super::{
    Attempt, AttemptState, BeginPay, BeginRefund, ChargeResult, Event, Op, Outcome, PayBegun,
    Payment, Record, RefundBegun, RefundResult, Reschedule, Rescheduled, SettleCharge,
    SettleRefund, Settled,
};

/// The rows that a batch of operations touches, and what the batch changed about them.
///
/// A store loads them, applies its operations one after another, and writes the [`Changes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    records: BTreeMap<OrderId, Record>,
    next_event_id: u64,
    changes: Changes,
}

/// What a store has to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Payments of orders that had none.
    pub new_payments: BTreeSet<OrderId>,
    /// Payments that tell of another attempt now, each with the status that it had before.
    pub renewed_payments: BTreeMap<OrderId, PaymentStatus>,
    /// Payments that tell how their attempt ended now, and of no other.
    pub settled_payments: BTreeSet<OrderId>,
    /// Attempts that began, as they are now.
    pub new_attempts: BTreeMap<PaymentNo, Attempt>,
    /// Attempts that look different now, each with the state that it was in before.
    pub changed_attempts: BTreeMap<PaymentNo, (AttemptState, Attempt)>,
    /// What the feed gains, in order.
    pub events: Vec<Event>,
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
    /// A refusal changes nothing, so it never harms the operations beside it.
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
        let record = Record {
            payment,
            attempt: new_attempt(op),
        };
        self.changes.new_payments.insert(op.order_id);
        self.begin_attempt(&record)
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
        let record = Record {
            payment,
            attempt: new_attempt(op),
        };
        self.mark_renewed(op.order_id);
        self.begin_attempt(&record)
    }

    fn begin_attempt(&mut self, record: &Record) -> Record {
        let attempt = &record.attempt;
        self.changes
            .new_attempts
            .insert(attempt.payment_no.clone(), attempt.clone());
        self.records.insert(attempt.order_id, record.clone());
        record.clone()
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
                self.store_attempt(&record);
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
                self.store_attempt(&record);
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
        self.store_attempt(&record);
        Rescheduled::Won(record)
    }

    /// The record of the order, where `payment_no` is its last attempt. Any other attempt of the
    /// order has ended long ago.
    fn last_attempt(&self, order_id: OrderId, payment_no: &PaymentNo) -> Option<Record> {
        let record = self.records.get(&order_id)?;
        (record.attempt.payment_no == *payment_no).then(|| record.clone())
    }

    /// Brings the payment in line with its attempt and tells the feed, in one step.
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
        self.mark_settled(record.payment.order_id);
        self.store_attempt(&record);
        Settled::Moved(record)
    }

    fn store_attempt(&mut self, record: &Record) {
        let attempt = &record.attempt;
        let before = self.records.insert(attempt.order_id, record.clone());
        // A row that this batch inserts needs no update beside the insert.
        if let Some(new) = self.changes.new_attempts.get_mut(&attempt.payment_no) {
            new.clone_from(attempt);
        } else if let Some(before) = before {
            let number = attempt.payment_no.clone();
            let state = before.attempt.state;
            let change = (state, attempt.clone());
            let changed = self.changes.changed_attempts.entry(number);
            changed
                .and_modify(|(_, last)| last.clone_from(attempt))
                .or_insert(change);
        }
    }

    fn mark_renewed(&mut self, order_id: OrderId) {
        let changes = &mut self.changes;
        if changes.new_payments.contains(&order_id) {
            return;
        }
        // Another attempt follows a refused one alone, and it may be this batch that heard of that.
        let before = if changes.settled_payments.remove(&order_id) {
            PaymentStatus::Pending
        } else {
            PaymentStatus::Failed
        };
        changes.renewed_payments.entry(order_id).or_insert(before);
    }

    fn mark_settled(&mut self, order_id: OrderId) {
        let changes = &mut self.changes;
        let is_written = changes.new_payments.contains(&order_id)
            || changes.renewed_payments.contains_key(&order_id);
        if !is_written {
            changes.settled_payments.insert(order_id);
        }
    }
}

fn new_attempt(op: &BeginPay) -> Attempt {
    Attempt {
        payment_no: op.payment_no.clone(),
        order_id: op.order_id,
        amount: op.amount,
        method: op.method.clone(),
        state: AttemptState::Charging,
        next_check_at: Some(op.check_at),
        created_at: op.now,
        updated_at: op.now,
    }
}

#[cfg(test)]
mod tests;
