//! Proves what money does to orders, and that the feed is followed without gap or repeat.

use super::*;

#[test]
fn money_for_a_cancelled_order_goes_back_once() {
    let mut rows = rows_at(Stage::Live(OrderStatus::Cancelled));
    assert_eq!(
        rows.order(order(1)).unwrap().refund_no(),
        None,
        "cancelled without money"
    );
    assert_eq!(kinds(&moved(&mut rows, &pay(1, TOTAL))), [TaskKind::Refund]);
    let done = Op::Task {
        key: task(1, TaskKind::Refund),
        step: TaskStep::Done,
    };
    assert!(matches!(rows.apply(&done), Outcome::Task(Some(_))));
    // The feed tells of the same money, after the task is gone.
    let outcome = rows.apply(&follow(vec![event(1, 1, TOTAL, PaymentStatus::Paid)]));
    assert_eq!(
        outcome,
        Outcome::Follow(Followed::Applied {
            cursor: 1,
            applied: 1,
            tasks: vec![]
        })
    );
    let refund_no = rows.order(order(1)).unwrap().refund_no().unwrap();
    assert_eq!(refund_no.as_str(), format!("REF{}", payment_no(1)));
}

#[test]
fn the_gateways_number_is_noted_whoever_tells_it_last() {
    let mut rows = rows_at(Stage::Live(OrderStatus::Pending));
    rows.apply(&follow(vec![event(1, 1, TOTAL, PaymentStatus::Paid)]));
    let payment = |rows: &Rows| rows.order(order(1)).unwrap().payment.clone().unwrap();
    assert_eq!(
        payment(&rows).third_party_no,
        None,
        "the feed does not know it"
    );
    assert_eq!(moved(&mut rows, &pay(1, TOTAL)).verdict, Verdict::Before);
    assert_eq!(payment(&rows).third_party_no.as_deref(), Some("T"));
}

#[test]
fn the_feed_moves_orders_as_money_comes_and_goes() {
    use OrderStatus::{Cancelled, Completed, Paid, Pending, Shipped};
    use PaymentStatus::{Failed, Refunded};

    let cases: [(PaymentStatus, i64, Stage, Stage, &[TaskKind]); 12] = [
        (
            PaymentStatus::Paid,
            TOTAL,
            Stage::Live(Pending),
            Stage::Live(Paid),
            &[],
        ),
        (
            PaymentStatus::Paid,
            TOTAL - 1,
            Stage::Live(Pending),
            Stage::Live(Cancelled),
            &[TaskKind::Refund, TaskKind::Release],
        ),
        (
            PaymentStatus::Paid,
            TOTAL,
            Stage::Live(Shipped),
            Stage::Live(Shipped),
            &[],
        ),
        (
            PaymentStatus::Paid,
            TOTAL,
            Stage::Creating,
            Stage::Creating,
            &[TaskKind::Refund],
        ),
        (
            PaymentStatus::Paid,
            TOTAL,
            Stage::Abandoned,
            Stage::Abandoned,
            &[TaskKind::Refund],
        ),
        (
            Refunded,
            TOTAL,
            Stage::Live(Paid),
            Stage::Live(Cancelled),
            &[TaskKind::Release],
        ),
        (
            Refunded,
            TOTAL,
            Stage::Live(Pending),
            Stage::Live(Cancelled),
            &[TaskKind::Release],
        ),
        (
            Refunded,
            TOTAL,
            Stage::Live(Shipped),
            Stage::Live(Shipped),
            &[],
        ),
        (
            Refunded,
            TOTAL,
            Stage::Live(Completed),
            Stage::Live(Completed),
            &[],
        ),
        (
            Refunded,
            TOTAL,
            Stage::Live(Cancelled),
            Stage::Live(Cancelled),
            &[],
        ),
        (
            Failed,
            TOTAL,
            Stage::Live(Pending),
            Stage::Live(Pending),
            &[],
        ),
        (Failed, TOTAL, Stage::Live(Paid), Stage::Live(Paid), &[]),
    ];
    for (status, fen, from, to, expected) in cases {
        let mut rows = rows_at(from);
        let Outcome::Follow(Followed::Applied { tasks, .. }) =
            rows.apply(&follow(vec![event(1, 1, fen, status)]))
        else {
            panic!("no gap here");
        };
        let recorded: Vec<_> = tasks.iter().map(|task| task.key.kind).collect();
        assert_eq!(recorded, expected, "{status:?} from {from:?}");
        assert_eq!(
            rows.order(order(1)).unwrap().stage,
            to,
            "{status:?} from {from:?}"
        );
    }
}

#[test]
fn money_for_an_unknown_order_is_sent_back() {
    let mut rows = Rows::default();
    let events = [
        PaymentStatus::Paid,
        PaymentStatus::Refunded,
        PaymentStatus::Failed,
    ];
    let events = (1..)
        .zip(events)
        .map(|(id, status)| event(id, 9, 1, status))
        .collect();
    let Outcome::Follow(Followed::Applied { cursor, tasks, .. }) = rows.apply(&follow(events))
    else {
        panic!("no gap here");
    };
    assert_eq!(cursor, 3);
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].key, task(9, TaskKind::Refund));
    assert_eq!(tasks[0].order_no, None);
}

#[test]
fn money_that_came_before_its_order_does_not_pay_it_while_it_goes_back() {
    let mut rows = Rows::default();
    rows.apply(&follow(vec![event(1, 1, TOTAL, PaymentStatus::Paid)]));
    rows.apply(&new_order(1, None));
    rows.apply(&confirm(1));

    let moved = moved(&mut rows, &pay(1, TOTAL));
    assert_eq!(moved.verdict, Verdict::Illegal);
    assert_eq!(kinds(&moved), [TaskKind::Release], "the refund is recorded");
    assert_eq!(moved.order.cancelled, Some(CancelCause::Refunded));
    assert!(moved.order.refund_no().is_some());
}

#[test]
fn money_that_came_while_its_order_was_made_calls_it_off_as_refunded() {
    let mut rows = rows_at(Stage::Creating);
    rows.apply(&follow(vec![event(1, 1, TOTAL, PaymentStatus::Paid)]));
    rows.apply(&confirm(1));
    let moved = moved(&mut rows, &pay(1, TOTAL));
    assert_eq!(moved.order.cancelled, Some(CancelCause::Refunded));
}

#[test]
fn the_feed_skips_what_it_had_and_refuses_a_gap() {
    let mut rows = rows_at(Stage::Live(OrderStatus::Pending));
    let failed = |id| event(id, 1, TOTAL, PaymentStatus::Failed);
    let paid = |id| event(id, 1, TOTAL, PaymentStatus::Paid);

    let applied = |cursor, applied| {
        Outcome::Follow(Followed::Applied {
            cursor,
            applied,
            tasks: Vec::new(),
        })
    };
    assert_eq!(
        rows.apply(&follow(vec![failed(1), failed(2)])),
        applied(2, 2)
    );
    assert_eq!(
        rows.apply(&follow(vec![failed(1), failed(2)])),
        applied(2, 0)
    );
    assert_eq!(rows.apply(&follow(vec![])), applied(2, 0));
    for late in [vec![paid(4)], vec![failed(3), paid(5)]] {
        let Outcome::Follow(Followed::Gap { expected, got }) = rows.apply(&follow(late)) else {
            panic!("an event is missing");
        };
        assert!(expected < got);
        assert_eq!(rows.cursor(), 2, "nothing of a step with a gap is applied");
    }
    assert_eq!(rows.apply(&follow(vec![failed(2), paid(3)])), applied(3, 1));
    assert_eq!(
        rows.order(order(1)).unwrap().stage,
        Stage::Live(OrderStatus::Paid)
    );
}
