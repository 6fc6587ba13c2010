//! Payments, after every transaction: a feed without gaps, attempts that move along their arrows, and
//! a new attempt only after the one before was refused.

use std::collections::BTreeMap;

use payment::domain::{AttemptState, Event, Op, Record, Rows};
use types::{OrderId, PaymentNo, PaymentStatus};

use crate::tally::Moment;
use crate::world::{World, lock};

/// Payments as they were after the last transaction.
#[derive(Default)]
pub(crate) struct PaymentWatch {
    known: BTreeMap<OrderId, Known>,
    events_len: usize,
}

struct Known {
    payment_no: PaymentNo,
    state: AttemptState,
}

/// Looks at what a transaction of the payments left behind.
pub(crate) fn after_payments_moved(world: &World, batch: &[Op]) {
    if batch.iter().all(|op| matches!(op, Op::Reschedule(_))) {
        return;
    }
    let watch = &mut lock(&world.watch).payments;
    world.stores.payment.inspect(|rows, events| {
        judge_feed(world, watch, events);
        judge_records(world, watch, rows, events);
    });
}

fn judge_feed(world: &World, watch: &mut PaymentWatch, events: &[Event]) {
    for (event, id) in events.iter().zip(1_u64..).skip(watch.events_len) {
        world.trace.tell(format_args!(
            "event {}: {} of order {} is {:?}",
            event.id, event.payment_no, event.order_id, event.status
        ));
        if event.id != id {
            world.break_law("feed-is-gapless", format!("{event:?} stands at {id}"));
        }
        if event.status == PaymentStatus::Pending {
            world.break_law("feed-tells-ends", format!("{event:?}"));
        }
    }
    watch.events_len = events.len();
}

fn judge_records(world: &World, watch: &mut PaymentWatch, rows: &Rows, events: &[Event]) {
    for record in rows.records() {
        let (id, attempt) = (record.payment.order_id, &record.attempt);
        if let Some(known) = watch.known.get(&id) {
            judge_step(world, known, record, events);
        }
        let is_news = watch.known.get(&id).is_none_or(|known| {
            known.state != attempt.state || known.payment_no != attempt.payment_no
        });
        if is_news {
            let known = Known {
                payment_no: attempt.payment_no.clone(),
                state: attempt.state,
            };
            watch.known.insert(id, known);
        }
        if record.payment.status != attempt.state.status() {
            world.break_law("payment-tells-its-attempt", format!("{record:?}"));
        }
    }
}

/// One transaction may have taken several steps.
fn judge_step(world: &World, known: &Known, record: &Record, events: &[Event]) {
    let attempt = &record.attempt;
    let is_legal = if known.payment_no == attempt.payment_no {
        known.state == attempt.state || leads(known.state, attempt.state, AttemptState::ALL.len())
    } else {
        world.count(Moment::SecondTry);
        let was_refused =
            known.state == AttemptState::Refused || has_failed(events, &known.payment_no);
        was_refused && attempt.state == AttemptState::Charging
    };
    if !is_legal {
        let what = format!("{} was {:?}; now {record:?}", known.payment_no, known.state);
        world.break_law("attempts-move-on", what);
    }
}

/// Whether legal moves, `steps` at the most, lead from one to the other.
fn leads(from: AttemptState, to: AttemptState, steps: usize) -> bool {
    let mut next = AttemptState::ALL
        .into_iter()
        .filter(|next| from.may_become(*next));
    from.may_become(to) || steps > 0 && next.any(|next| leads(next, to, steps - 1))
}

fn has_failed(events: &[Event], payment_no: &PaymentNo) -> bool {
    let mut newest_first = events.iter().rev();
    newest_first
        .any(|event| event.payment_no == *payment_no && event.status == PaymentStatus::Failed)
}
