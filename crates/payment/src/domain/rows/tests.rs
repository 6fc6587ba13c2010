//! Proves what each operation does in each state of an order's money: who may begin, what is
//! written, what the feed gets. Properties over whole histories: tests/it/domain.rs.

use types::Fen;

use super::*;
use crate::domain::{Method, ThirdPartyNo};

const NOW: UnixMillis = UnixMillis::new(1_795_355_045_000);
const LATER: UnixMillis = UnixMillis::new(1_795_355_050_000);
const LEASE_END: UnixMillis = UnixMillis::new(1_795_355_055_000);

fn order() -> OrderId {
    OrderId::new(7).unwrap()
}

fn number(serial: u64) -> PaymentNo {
    PaymentNo::generate(NOW, serial)
}

fn begin_pay(serial: u64, fen: i64) -> Op {
    Op::BeginPay(BeginPay {
        order_id: order(),
        amount: Fen::amount(fen).unwrap(),
        method: Method::parse("mock").unwrap(),
        id: serial,
        payment_no: number(serial),
        now: NOW,
        check_at: LEASE_END,
    })
}

fn third_party_no() -> ThirdPartyNo {
    ThirdPartyNo::parse("MOCK1").unwrap()
}

fn charged(serial: u64) -> Op {
    settle(
        serial,
        ChargeResult::Charged {
            third_party_no: third_party_no(),
        },
    )
}

fn settle(serial: u64, result: ChargeResult) -> Op {
    let payment_no = number(serial);
    Op::SettleCharge(SettleCharge {
        order_id: order(),
        payment_no,
        result,
        now: LATER,
    })
}

fn begin_refund() -> Op {
    Op::BeginRefund(BeginRefund {
        order_id: order(),
        now: LATER,
        check_at: LEASE_END,
    })
}

fn settle_refund(serial: u64, result: RefundResult) -> Op {
    let payment_no = number(serial);
    Op::SettleRefund(SettleRefund {
        order_id: order(),
        payment_no,
        result,
        now: LATER,
    })
}

/// The rows of one order whose attempt number 1, of 500 fen, has come as far as `state`.
fn rows_in(state: AttemptState) -> Rows {
    let mut rows = Rows::new([], 1);
    let refused = settle(1, ChargeResult::Refused);
    let way: &[Op] = match state {
        AttemptState::Charging => &[],
        AttemptState::Charged => &[charged(1)],
        AttemptState::Refused => &[refused],
        AttemptState::Refunding => &[charged(1), begin_refund()],
        AttemptState::Refunded => &[
            charged(1),
            begin_refund(),
            settle_refund(1, RefundResult::Refunded),
        ],
    };
    rows.apply(&begin_pay(1, 500));
    for op in way {
        rows.apply(op);
    }
    assert_eq!(rows.record(order()).unwrap().attempt.state, state);
    rows.take_changes();
    rows
}

fn change<R>(before: Option<R>, now: R) -> Change<R> {
    Change { before, now }
}

fn status(rows: &Rows) -> PaymentStatus {
    rows.record(order()).unwrap().payment.status
}

#[test]
fn the_first_pay_opens_a_pending_payment() {
    let mut rows = Rows::new([], 1);
    let outcome = rows.apply(&begin_pay(1, 500));
    let record = rows.record(order()).unwrap().clone();
    assert_eq!(
        outcome,
        Outcome::PayBegun(PayBegun::Started(record.clone()))
    );
    assert_eq!(record.payment.status, PaymentStatus::Pending);
    assert_eq!(record.attempt.next_check_at, Some(LEASE_END));
    let expected = Changes {
        payments: BTreeMap::from([(order(), change(None, record.payment))]),
        attempts: BTreeMap::from([(number(1), change(None, record.attempt))]),
        events: vec![],
    };
    assert_eq!(rows.take_changes(), expected, "nothing has settled yet");
}

#[test]
fn a_second_pay_never_opens_an_attempt_beside_open_or_captured_money() {
    use AttemptState::{Charged, Charging, Refunded, Refunding};
    for state in [Charging, Charged, Refunding, Refunded] {
        let mut rows = rows_in(state);
        let before = rows.record(order()).unwrap().clone();
        let Outcome::PayBegun(begun) = rows.apply(&begin_pay(2, 900)) else {
            panic!()
        };
        let expected = match state {
            Charging => PayBegun::InFlight(before.clone()),
            Charged | Refunding => PayBegun::AlreadyPaid(before.payment.clone()),
            _ => PayBegun::Refunded,
        };
        assert_eq!(begun, expected);
        assert_eq!(rows.record(order()), Some(&before), "{state:?}");
        assert_eq!(rows.take_changes(), Changes::default());
    }
}

#[test]
fn a_refused_payment_is_tried_again_under_a_new_number_and_amount() {
    let mut rows = rows_in(AttemptState::Refused);
    assert_eq!(status(&rows), PaymentStatus::Failed);
    let before = rows.record(order()).unwrap().payment.clone();
    let Outcome::PayBegun(PayBegun::Started(record)) = rows.apply(&begin_pay(2, 900)) else {
        panic!()
    };
    assert_eq!(record.payment.id, 1, "one row an order, for ever");
    assert_eq!(record.payment.payment_no, number(2));
    assert_eq!(record.payment.amount.get(), 900);
    assert_eq!(record.payment.status, PaymentStatus::Pending);
    assert_eq!(record.state_of(&number(1)), AttemptState::Refused);
    let expected = Changes {
        payments: BTreeMap::from([(order(), change(Some(before), record.payment))]),
        attempts: BTreeMap::from([(number(2), change(None, record.attempt))]),
        events: vec![],
    };
    assert_eq!(rows.take_changes(), expected);
}

#[test]
fn beginning_twice_under_one_number_is_one_attempt() {
    for (state, refused) in [
        (AttemptState::Charging, false),
        (AttemptState::Refused, true),
    ] {
        let mut rows = rows_in(state);
        let Outcome::PayBegun(begun) = rows.apply(&begin_pay(1, 500)) else {
            panic!()
        };
        assert_eq!(begun == PayBegun::RefusedBefore, refused);
        assert_eq!(matches!(begun, PayBegun::Started(_)), !refused);
        assert_eq!(rows.take_changes(), Changes::default());
    }
}

#[test]
fn a_charge_settles_once_and_tells_the_feed_once() {
    let cases = [
        (charged(1), PaymentStatus::Paid, Some(third_party_no())),
        (
            settle(1, ChargeResult::Refused),
            PaymentStatus::Failed,
            None,
        ),
    ];
    for (op, expected, third_party_no) in cases {
        let mut rows = rows_in(AttemptState::Charging);
        assert!(matches!(
            rows.apply(&op),
            Outcome::Settled(Settled::Moved(_))
        ));
        let record = rows.record(order()).unwrap().clone();
        assert_eq!(record.payment.status, expected);
        assert_eq!(record.payment.third_party_no, third_party_no);
        assert_eq!(record.attempt.next_check_at, None, "nobody asks again");
        assert_eq!(record.payment.updated_at, LATER);
        let events = rows.take_changes().events;
        assert_eq!(
            events.iter().map(|e| (e.id, e.status)).collect::<Vec<_>>(),
            [(1, expected)]
        );

        assert_eq!(rows.apply(&op), Outcome::Settled(Settled::Stands(record)));
        assert_eq!(rows.take_changes(), Changes::default());
    }
}

#[test]
fn a_settled_charge_ignores_a_late_word_to_the_contrary() {
    use AttemptState::{Charged, Refunded, Refunding, Refused};
    for state in [Charged, Refused, Refunding, Refunded] {
        for op in [charged(1), settle(1, ChargeResult::Refused)] {
            let mut rows = rows_in(state);
            assert!(matches!(
                rows.apply(&op),
                Outcome::Settled(Settled::Stands(_))
            ));
            assert_eq!(rows.take_changes(), Changes::default(), "{state:?}");
        }
    }
}

#[test]
fn a_late_failure_of_attempt_one_leaves_attempt_two_alone() {
    let mut rows = rows_in(AttemptState::Refused);
    rows.apply(&begin_pay(2, 500));
    rows.take_changes();
    let late = rows.apply(&settle(1, ChargeResult::Refused));
    assert_eq!(late, Outcome::Settled(Settled::Superseded));
    assert_eq!(status(&rows), PaymentStatus::Pending);
    assert_eq!(rows.take_changes(), Changes::default());
}

#[test]
fn only_a_paid_order_can_be_refunded() {
    let refund_no = types::RefundNo::of(&number(1));
    let cases = [
        (
            AttemptState::Charging,
            RefundBegun::NotRefundable { refund_no: None },
        ),
        (
            AttemptState::Refused,
            RefundBegun::NotRefundable { refund_no: None },
        ),
        (
            AttemptState::Refunded,
            RefundBegun::NotRefundable {
                refund_no: Some(refund_no),
            },
        ),
    ];
    for (state, expected) in cases {
        let mut rows = rows_in(state);
        assert_eq!(
            rows.apply(&begin_refund()),
            Outcome::RefundBegun(expected),
            "{state:?}"
        );
        assert_eq!(rows.take_changes(), Changes::default());
    }
    let mut nothing = Rows::new([], 1);
    assert_eq!(
        nothing.apply(&begin_refund()),
        Outcome::RefundBegun(RefundBegun::NotFound)
    );
}

#[test]
fn a_payment_stays_paid_until_the_refund_is_certain() {
    let mut rows = rows_in(AttemptState::Charged);
    assert!(matches!(
        rows.apply(&begin_refund()),
        Outcome::RefundBegun(RefundBegun::Started(_))
    ));
    assert_eq!(status(&rows), PaymentStatus::Paid);
    let again = rows.apply(&begin_refund());
    assert!(matches!(
        again,
        Outcome::RefundBegun(RefundBegun::InFlight(_))
    ));
    assert_eq!(rows.take_changes().events, []);

    rows.apply(&settle_refund(1, RefundResult::Refunded));
    assert_eq!(status(&rows), PaymentStatus::Refunded);
    let events = rows.take_changes().events;
    assert_eq!(events.len(), 1);
    assert_eq!(events.first().unwrap().status, PaymentStatus::Refunded);
    rows.apply(&settle_refund(1, RefundResult::Refunded));
    assert_eq!(
        rows.take_changes(),
        Changes::default(),
        "money goes back once"
    );
}

#[test]
fn a_refused_refund_leaves_the_payment_paid_and_refundable() {
    let mut rows = rows_in(AttemptState::Refunding);
    let outcome = rows.apply(&settle_refund(1, RefundResult::Refused));
    assert!(matches!(outcome, Outcome::Settled(Settled::Moved(_))));
    assert_eq!(status(&rows), PaymentStatus::Paid);
    assert_eq!(rows.take_changes().events, []);
    assert!(matches!(
        rows.apply(&begin_refund()),
        Outcome::RefundBegun(RefundBegun::Started(_))
    ));
}

#[test]
fn of_two_who_see_an_attempt_due_one_takes_it() {
    let claim = |seen| {
        let (order_id, payment_no) = (order(), number(1));
        let next = LEASE_END.plus(std::time::Duration::from_secs(5));
        Op::Reschedule(Reschedule {
            order_id,
            payment_no,
            seen,
            next,
        })
    };
    for state in [AttemptState::Charging, AttemptState::Refunding] {
        let mut rows = rows_in(state);
        assert!(matches!(
            rows.apply(&claim(LEASE_END)),
            Outcome::Rescheduled(Rescheduled::Won(_))
        ));
        assert_eq!(
            rows.apply(&claim(LEASE_END)),
            Outcome::Rescheduled(Rescheduled::Lost),
            "{state:?}"
        );
    }
    for state in [
        AttemptState::Charged,
        AttemptState::Refused,
        AttemptState::Refunded,
    ] {
        let mut rows = rows_in(state);
        assert_eq!(
            rows.apply(&claim(LEASE_END)),
            Outcome::Rescheduled(Rescheduled::Lost),
            "{state:?}"
        );
    }
}

#[test]
fn one_batch_may_settle_and_try_again() {
    let mut rows = rows_in(AttemptState::Charging);
    let before = rows.record(order()).unwrap().clone();
    for op in [
        settle(1, ChargeResult::Refused),
        begin_pay(2, 500),
        charged(2),
    ] {
        rows.apply(&op);
    }
    let changes = rows.take_changes();
    assert_eq!(
        changes.events.iter().map(|e| e.id).collect::<Vec<_>>(),
        [1, 2]
    );
    let after = rows.record(order()).unwrap().clone();
    let payments = [(order(), change(Some(before.payment), after.payment))];
    assert_eq!(changes.payments, payments.into(), "written once");
    let mut refused = before.attempt.clone();
    refused.close(AttemptState::Refused, LATER);
    assert_eq!(after.attempt.state, AttemptState::Charged);
    let attempts = [
        (number(1), change(Some(before.attempt), refused)),
        (number(2), change(None, after.attempt)),
    ];
    assert_eq!(
        changes.attempts,
        attempts.into(),
        "each written once, as it ended up"
    );
    assert_eq!(status(&rows), PaymentStatus::Paid);
}

#[test]
fn a_gateway_that_takes_its_word_back_is_noticed() {
    use AttemptState::{Charged, Refunded, Refunding, Refused};
    for state in [Charged, Refused, Refunding, Refunded] {
        for (op, agrees) in [
            (charged(1), state != Refused),
            (settle(1, ChargeResult::Refused), state == Refused),
        ] {
            let Outcome::Settled(settled) = rows_in(state).apply(&op) else {
                panic!()
            };
            assert_eq!(settled.contradicts(&op), !agrees, "{state:?}");
        }
    }
    let late = charged(9);
    assert!(Settled::Superseded.contradicts(&late));
    assert!(!Settled::Superseded.contradicts(&settle(9, ChargeResult::Refused)));
    let twice = settle_refund(1, RefundResult::Refunded);
    let Outcome::Settled(settled) = rows_in(Refunded).apply(&twice) else {
        panic!()
    };
    assert!(!settled.contradicts(&twice));
}
