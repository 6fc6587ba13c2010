//! Proves that an order is written under its intent only while its creator holds that intent, and
//! that an intent changes hands when its lease has run out, and never back.

use super::*;

fn intent(first: u64, last: u64) -> Intent {
    Intent {
        first: order(first),
        last: order(last),
        numbered_at: at(0),
        lease_until: at(7_000),
        written: 0,
        recovering: false,
    }
}

fn step(first: u64, step: IntentStep) -> Op {
    let first = order(first);
    Op::Intent { first, step }
}

fn open(intent: Intent) -> Op {
    step(intent.first.get(), IntentStep::Open(intent))
}

fn take_over(first: u64, now: i64) -> Op {
    let (at, until) = (at(now), at(now + 7_000));
    step(first, IntentStep::TakeOver { at, until })
}

/// An order of `intent` whose stock is held.
fn held(id: u64, intent: u64) -> Op {
    let Op::Insert(mut new) = new_order(id, None) else {
        unreachable!("an insert")
    };
    new.birth = Birth::Held {
        intent: order(intent),
        expire_at: at(9_000),
    };
    Op::Insert(new)
}

fn opened() -> Rows {
    let mut rows = Rows::default();
    assert_eq!(rows.apply(&open(intent(1, 4))), Outcome::Intent(true));
    rows
}

#[test]
fn under_its_intent_an_order_is_pending_at_once() {
    let mut rows = opened();
    for id in [1, 4] {
        assert_eq!(
            rows.apply(&held(id, 1)),
            Outcome::Insert(Inserted::New),
            "{id}"
        );
        let written = rows.order(order(id)).unwrap();
        assert_eq!(written.stage, Stage::Live(OrderStatus::Pending));
        assert_eq!(written.expire_at, at(9_000));
        assert_eq!(rows.items(order(id)).len(), 1);
    }
    assert_eq!(rows.intents().next().unwrap().written, 2);
    assert_eq!(rows.history(), [], "the birth has no row");
}

#[test]
fn without_an_intent_of_its_creators_nothing_is_written() {
    let overtaken = Outcome::Insert(Inserted::Overtaken);
    let mut never = Rows::default();
    assert_eq!(never.apply(&held(1, 1)), overtaken);
    let mut beside = opened();
    assert_eq!(beside.apply(&held(5, 1)), overtaken, "not one of its ids");
    let mut recovering = opened();
    recovering.apply(&take_over(1, 7_000));
    assert_eq!(recovering.apply(&held(1, 1)), overtaken);
    let mut closed = opened();
    closed.apply(&step(1, IntentStep::Close));
    assert_eq!(closed.apply(&held(1, 1)), overtaken);
    for rows in [never, beside, recovering, closed] {
        assert_eq!(rows.orders().count(), 0);
        assert!(rows.intents().all(|intent| intent.written == 0));
    }
}

#[test]
fn an_order_that_is_there_is_found_whatever_became_of_its_intent() {
    let mut rows = opened();
    rows.apply(&held(2, 1));
    rows.apply(&take_over(1, 7_000));
    for later in [take_over(1, 14_000), step(1, IntentStep::Close), cancel(2)] {
        rows.apply(&later);
        let Outcome::Insert(Inserted::Repeat(there)) = rows.apply(&held(2, 1)) else {
            panic!("after {later:?}");
        };
        assert_eq!(there.id, order(2));
    }
}

#[test]
fn an_intent_is_taken_over_when_its_lease_has_run_out_and_not_before() {
    let mut rows = opened();
    let taken = |rows: &mut Rows, now| rows.apply(&take_over(1, now)) == Outcome::Intent(true);
    assert!(!taken(&mut rows, 6_999));
    assert!(!rows.intents().next().unwrap().recovering);
    assert!(taken(&mut rows, 7_000));
    assert!(!taken(&mut rows, 13_999), "it is another's now");
    assert!(taken(&mut rows, 14_000), "who died, too");
    rows.apply(&step(1, IntentStep::Close));
    assert!(!taken(&mut rows, 30_000), "there is nothing to recover");
    assert_eq!(rows.intents().count(), 0);
}

#[test]
fn an_intent_is_opened_once() {
    let mut rows = opened();
    assert_eq!(rows.apply(&open(intent(1, 4))), Outcome::Intent(true));
    assert_eq!(rows.apply(&open(intent(1, 5))), Outcome::Intent(false));
    assert_eq!(rows.intents().copied().collect::<Vec<_>>(), [intent(1, 4)]);
}

#[test]
fn an_intent_knows_the_numbers_of_its_orders() {
    let intent = intent(9, 11);
    let numbers: Vec<_> = intent.ids().map(|id| intent.number(id)).collect();
    let expected = [9, 10, 11].map(|id| OrderNo::generate(at(0), id));
    assert_eq!(numbers, expected);
    for (id, covered) in [(8, false), (9, true), (11, true), (12, false)] {
        assert_eq!(intent.covers(order(id)), covered, "{id}");
    }
}
