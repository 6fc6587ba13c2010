//! Proves that no history, however the words of callers, gateways and workers interleave, lets an
//! order be charged twice, a feed skip a change, or a row contradict another.

use std::collections::BTreeMap;

use payment::domain::{Attempt, AttemptState, Change, Changes, Event, Op, Payment, Record, Rows};
use proptest::prelude::*;
use types::{OrderId, PaymentNo, PaymentStatus};

use crate::world::{World, steps};

/// All that was ever written.
#[derive(Default)]
struct History {
    payments: BTreeMap<OrderId, Payment>,
    attempts: BTreeMap<PaymentNo, Attempt>,
    events: Vec<Event>,
}

impl History {
    fn write(&mut self, changes: Changes) {
        for (payment_no, Change { before, now }) in changes.attempts {
            let written = self.attempts.insert(payment_no, now.clone());
            assert_eq!(
                written, before,
                "an attempt begins once and is what was written last"
            );
            if let Some(before) = before {
                let moved = before.state != now.state;
                assert!(
                    !moved || before.state.may_become(now.state),
                    "{before:?} to {now:?}"
                );
            }
        }
        for (order_id, Change { before, now }) in changes.payments {
            assert_eq!(self.payments.insert(order_id, now), before);
        }
        self.events.extend(changes.events);
    }

    fn states_of(&self, order_id: OrderId) -> impl Iterator<Item = AttemptState> {
        self.attempts
            .values()
            .filter(move |a| a.order_id == order_id)
            .map(|a| a.state)
    }

    fn statuses_of(&self, order_id: OrderId) -> Vec<PaymentStatus> {
        self.events
            .iter()
            .filter(|e| e.order_id == order_id)
            .map(|e| e.status)
            .collect()
    }
}

fn check(record: &Record, history: &History) {
    let order_id = record.payment.order_id;
    let (payment, attempt) = (&record.payment, &record.attempt);
    assert_eq!(history.payments.get(&order_id), Some(payment));
    assert_eq!(history.attempts.get(&payment.payment_no), Some(attempt));
    assert_eq!(
        (payment.amount, &payment.method),
        (attempt.amount, &attempt.method)
    );
    assert_eq!(payment.status, attempt.state.status());
    assert_eq!(attempt.next_check_at.is_some(), attempt.is_open());

    // Nobody is charged twice: beside the last attempt there are only refused ones.
    let not_refused = history
        .states_of(order_id)
        .filter(|s| *s != AttemptState::Refused)
        .count();
    assert!(not_refused <= 1);

    let has_money = matches!(
        payment.status,
        PaymentStatus::Paid | PaymentStatus::Refunded
    );
    assert_eq!(payment.third_party_no.is_some(), has_money);

    // Refusals, then one payment, then at most one refund; and the last word is the payment's.
    let mut statuses = history.statuses_of(order_id);
    let last = statuses.last().copied();
    match payment.status {
        PaymentStatus::Pending => assert!(matches!(last, None | Some(PaymentStatus::Failed))),
        settled => assert_eq!(last, Some(settled)),
    }
    statuses.retain(|status| *status != PaymentStatus::Failed);
    let legal: [&[PaymentStatus]; 3] = [
        &[],
        &[PaymentStatus::Paid],
        &[PaymentStatus::Paid, PaymentStatus::Refunded],
    ];
    assert!(legal.contains(&statuses.as_slice()), "{statuses:?}");
}

fn play(ops: impl IntoIterator<Item = Op>) {
    let mut rows = Rows::new([], 1);
    let mut history = History::default();
    for op in ops {
        rows.apply(&op);
        history.write(rows.take_changes());
        rows.records().for_each(|record| check(record, &history));
        for (event, id) in history.events.iter().zip(1..) {
            assert_eq!(event.id, id, "the feed has no gaps");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nobody_is_charged_twice_however_things_interleave(steps in steps(1..60)) {
        let mut world = World::new();
        play(steps.iter().filter_map(|step| world.op(step)));
    }

    #[test]
    fn an_operation_applied_twice_changes_nothing_the_second_time(steps in steps(1..40)) {
        let mut world = World::new();
        let mut rows = Rows::new([], 1);
        for op in steps.iter().filter_map(|step| world.op(step)) {
            rows.apply(&op);
            rows.take_changes();
            // A claim is another's the moment it has moved; everything else may come again.
            if !matches!(op, Op::Reschedule(_)) {
                rows.apply(&op);
                prop_assert_eq!(rows.take_changes(), Changes::default());
            }
        }
    }
}
