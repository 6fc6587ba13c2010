//! Proves what each operation that moves an order does, from the stages that make a difference.

use super::*;

/// Operation, from, verdict (`None`: no such order), where it stands then, the tasks recorded.
type Case<'a> = (Op, Stage, Option<Verdict>, Stage, &'a [TaskKind]);

#[test]
#[expect(clippy::too_many_lines, reason = "one table, a line a case")]
fn every_operation_does_what_the_table_says() {
    use OrderStatus::{Cancelled, Completed, Paid, Pending, Shipped};
    use TaskKind::{Commit, Refund, Release};
    use Verdict::{Before, Illegal, NotDue, Now};

    const LIVE: [Stage; 5] = [
        Stage::Live(Pending),
        Stage::Live(Paid),
        Stage::Live(Shipped),
        Stage::Live(Completed),
        Stage::Live(Cancelled),
    ];
    let [creating, abandoned] = [Stage::Creating, Stage::Abandoned];
    let [pending, paid, shipped, completed, cancelled] = LIVE;
    let cases: Vec<Case<'_>> = vec![
        (confirm(1), creating, Some(Now), pending, &[]),
        (confirm(1), pending, Some(Before), pending, &[]),
        (confirm(1), cancelled, Some(Before), cancelled, &[]),
        (confirm(1), abandoned, Some(Illegal), abandoned, &[]),
        (
            abandon(1, AbandonedBy::Creator, 1),
            creating,
            Some(Now),
            abandoned,
            &[Release],
        ),
        (
            abandon(1, AbandonedBy::Recovery, 9_999),
            creating,
            Some(NotDue),
            creating,
            &[],
        ),
        (
            abandon(1, AbandonedBy::Recovery, 10_000),
            creating,
            Some(Now),
            abandoned,
            &[Release],
        ),
        (
            abandon(1, AbandonedBy::Recovery, 99_999),
            pending,
            Some(Illegal),
            pending,
            &[],
        ),
        (
            abandon(1, AbandonedBy::Creator, 1),
            abandoned,
            Some(Before),
            abandoned,
            &[],
        ),
        (cancel(1), creating, None, creating, &[]),
        (cancel(1), abandoned, None, abandoned, &[]),
        (cancel(1), pending, Some(Now), cancelled, &[Release]),
        (cancel(1), paid, Some(Now), cancelled, &[Refund, Release]),
        (cancel(1), shipped, Some(Illegal), shipped, &[]),
        (cancel(1), completed, Some(Illegal), completed, &[]),
        (cancel(1), cancelled, Some(Before), cancelled, &[]),
        (expire(1, 999), pending, Some(NotDue), pending, &[]),
        (expire(1, 1_000), pending, Some(Now), cancelled, &[Release]),
        (expire(1, 9_999), paid, Some(Illegal), paid, &[]),
        (expire(1, 9_999), shipped, Some(Illegal), shipped, &[]),
        (expire(1, 9_999), cancelled, Some(Before), cancelled, &[]),
        (expire(1, 99_999), creating, None, creating, &[]),
        (ship(1), pending, Some(Illegal), pending, &[]),
        (ship(1), paid, Some(Now), shipped, &[Commit]),
        (ship(1), shipped, Some(Before), shipped, &[]),
        (ship(1), completed, Some(Illegal), completed, &[]),
        (ship(1), cancelled, Some(Illegal), cancelled, &[]),
        (complete(1), pending, Some(Illegal), pending, &[]),
        (complete(1), paid, Some(Illegal), paid, &[]),
        (complete(1), shipped, Some(Now), completed, &[]),
        (complete(1), completed, Some(Before), completed, &[]),
        (complete(1), cancelled, Some(Illegal), cancelled, &[]),
        (complete(1), abandoned, None, abandoned, &[]),
        (pay(1, TOTAL), pending, Some(Now), paid, &[]),
        (
            pay(1, TOTAL + 1),
            pending,
            Some(Illegal),
            cancelled,
            &[Refund, Release],
        ),
        (pay(1, TOTAL), paid, Some(Before), paid, &[]),
        (pay(1, TOTAL), completed, Some(Before), completed, &[]),
        (
            pay(1, TOTAL),
            cancelled,
            Some(Illegal),
            cancelled,
            &[Refund],
        ),
        (pay(1, TOTAL), creating, Some(Illegal), creating, &[Refund]),
        (
            pay(1, TOTAL),
            abandoned,
            Some(Illegal),
            abandoned,
            &[Refund],
        ),
    ];
    for (op, from, verdict, to, tasks) in cases {
        let mut rows = rows_at(from);
        let (stood, recorded) = match rows.apply(&op) {
            Outcome::Move(Some(moved)) => (Some(moved.verdict), kinds(&moved)),
            Outcome::Move(None) => (None, Vec::new()),
            other => panic!("{op:?} answered {other:?}"),
        };
        assert_eq!(stood, verdict, "{op:?} from {from:?}");
        assert_eq!(recorded, tasks, "{op:?} from {from:?}");
        assert_eq!(
            rows.order(order(1)).unwrap().stage,
            to,
            "{op:?} from {from:?}"
        );
    }
}
