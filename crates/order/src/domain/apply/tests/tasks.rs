//! Proves that a task and a lease have one holder at a time.

use super::*;

#[test]
fn a_task_is_claimed_by_one_and_parked_after_refusals_in_a_row() {
    let mut rows = rows_at(Stage::Live(OrderStatus::Cancelled));
    let key = task(1, TaskKind::Release);
    let mut step = |step| match rows.apply(&Op::Task { key, step }) {
        Outcome::Task(task) => task,
        other => panic!("{other:?}"),
    };
    let born_due = at(5_002);
    let claim = TaskStep::Claim {
        seen_due_at: born_due,
        until: at(20_000),
    };
    assert!(step(claim.clone()).is_some());
    assert!(step(claim).is_none(), "the second claimer saw an old row");

    let fail = |held: i64, due: i64, refused| TaskStep::Fail {
        held_until: at(held),
        due_at: at(due),
        refused,
        error: "no".to_owned(),
    };
    assert!(step(fail(5_002, 1, true)).is_none(), "no longer the holder");
    let unknown = step(fail(20_000, 30_000, false)).unwrap();
    assert_eq!(
        (unknown.attempts, unknown.refusals, unknown.parked),
        (1, 0, false)
    );

    let mut due = 30_000;
    for refusal in 1..=REFUSALS_MAX {
        let failed = step(fail(due, due + 1, true)).unwrap();
        assert_eq!(
            (failed.refusals, failed.parked),
            (refusal, refusal == REFUSALS_MAX)
        );
        due += 1;
    }
    assert!(
        step(TaskStep::Claim {
            seen_due_at: at(due),
            until: at(due + 9)
        })
        .is_none()
    );
    let resumed = step(TaskStep::Resume { at: at(40_000) }).unwrap();
    assert_eq!(
        (resumed.parked, resumed.refusals, resumed.due_at),
        (false, 0, at(40_000))
    );
    assert!(
        step(TaskStep::Resume { at: at(50_000) }).is_none(),
        "it is awake"
    );
    assert!(step(TaskStep::Done).is_some());
    assert!(step(TaskStep::Done).is_none());
}

#[test]
fn a_lease_has_one_holder_and_passes_on_when_it_runs_out() {
    let mut rows = Rows::default();
    let mut ask = |holder: &str, step| {
        rows.apply(&Op::Lease {
            name: "feed",
            holder: holder.into(),
            step,
        })
    };
    let take = |now: i64| LeaseStep::Take {
        at: at(now),
        until: at(now + 10),
    };
    assert_eq!(ask("a", take(0)), Outcome::Lease(true));
    assert_eq!(ask("b", take(5)), Outcome::Lease(false));
    assert_eq!(ask("a", take(5)), Outcome::Lease(true), "renewed");
    assert_eq!(ask("b", take(14)), Outcome::Lease(false));
    assert_eq!(ask("b", take(15)), Outcome::Lease(true), "it ran out");
    assert_eq!(
        ask("a", LeaseStep::Free),
        Outcome::Lease(false),
        "not a's to give back"
    );
    assert_eq!(ask("a", take(16)), Outcome::Lease(false));
    assert_eq!(ask("b", LeaseStep::Free), Outcome::Lease(false));
    assert_eq!(ask("a", take(16)), Outcome::Lease(true));
}
