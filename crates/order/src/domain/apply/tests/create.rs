//! Proves how orders come to be, and what their keys answer.

use super::*;

#[test]
fn a_dropped_order_leaves_nothing_and_frees_its_key() {
    let asked = request("k", &[(1, 5)]);
    let mut rows = Rows::default();
    rows.apply(&new_order(1, Some(asked.clone())));
    assert_eq!(
        moved(&mut rows, &Op::Drop { id: order(1) }).verdict,
        Verdict::Now
    );
    assert_eq!(rows.order(order(1)), None);
    assert!(rows.items(order(1)).is_empty());
    assert_eq!(rows.apply(&Op::Drop { id: order(1) }), Outcome::Move(None));
    assert_eq!(
        rows.apply(&new_order(2, Some(asked))),
        Outcome::Insert(Inserted::New)
    );
    assert_eq!(
        rows.order_changes().count(),
        1,
        "the first was never written"
    );
}

#[test]
fn what_became_an_order_cannot_be_dropped() {
    for stage in Stage::ALL
        .into_iter()
        .filter(|stage| *stage != Stage::Creating)
    {
        let mut rows = rows_at(stage);
        assert_eq!(
            moved(&mut rows, &Op::Drop { id: order(1) }).verdict,
            Verdict::Illegal
        );
        assert_eq!(rows.order(order(1)).unwrap().stage, stage);
    }
}

#[test]
fn a_key_answers_its_first_order_and_refuses_another() {
    let asked = request("k", &[(1, 5)]);
    let mut rows = Rows::default();
    rows.apply(&new_order(1, Some(asked.clone())));
    rows.apply(&confirm(1));
    rows.apply(&cancel(1));

    let Outcome::Insert(Inserted::Repeat(first)) = rows.apply(&new_order(2, Some(asked))) else {
        panic!("the same request is a repeat");
    };
    assert_eq!(first.id, order(1));
    let other = request("k", &[(1, 6)]);
    assert_eq!(
        rows.apply(&new_order(3, Some(other))),
        Outcome::Insert(Inserted::Conflict)
    );
    assert_eq!(rows.order(order(3)), None);
}

#[test]
fn an_abandoned_order_frees_its_key() {
    let asked = request("k", &[(1, 5)]);
    let mut rows = Rows::default();
    rows.apply(&new_order(1, Some(asked.clone())));
    rows.apply(&abandon(1, AbandonedBy::Creator, 1));
    assert_eq!(
        rows.apply(&new_order(2, Some(asked))),
        Outcome::Insert(Inserted::New)
    );
}
