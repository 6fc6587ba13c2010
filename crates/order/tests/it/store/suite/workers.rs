//! What workers live on: deadlines, tasks, the feed, leases.

use order::domain::{REFUSALS_MAX, TaskKind};

use super::*;

pub(in crate::store) async fn deadlines_are_paged_without_loss_also_where_they_are_equal(
    store: Arc<dyn Store>,
) -> Checked {
    let inserts = (1..=9).map(|id| insert(id, 1, None));
    apply(&*store, inserts.collect()).await?;
    let confirms = (1..=8).map(|id| confirm(id, if id % 2 == 0 { 200 } else { 100 }));
    apply(&*store, confirms.collect()).await?;
    let pending = Stage::Live(OrderStatus::Pending);
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let due = store.due_orders(pending, at(200), after, 3).await?;
        seen.extend(due.iter().map(|order| order.id.get()));
        let Some(last) = due.last() else { break };
        after = Some(*last);
    }
    assert_eq!(seen, [1, 3, 5, 7, 2, 4, 6, 8]);
    assert_eq!(store.due_orders(pending, at(99), None, 9).await?, []);
    let creating = store
        .due_orders(Stage::Creating, at(10_000), None, 9)
        .await?;
    assert_eq!(
        creating,
        [DueOrder {
            due_at: at(10_000),
            id: order_id(9)
        }]
    );
    Ok(())
}

pub(in crate::store) async fn due_tasks_come_soonest_first_and_parked_ones_apart(
    store: Arc<dyn Store>,
) -> Checked {
    let ops = (1..=3).flat_map(|id| [insert(id, 1, None), confirm(id, 900), cancel(id)]);
    apply(&*store, ops.collect()).await?;
    let release = |id, step| task(id, TaskKind::Release, step);
    apply(&*store, vec![release(1, fail(5_002, 9_000, false))]).await?;
    let due = async |now, limit| {
        let tasks = store
            .due_tasks(&TaskKind::ALL, at(now), limit)
            .await
            .unwrap();
        tasks
            .iter()
            .map(|task| task.key.order_id.get())
            .collect::<Vec<_>>()
    };
    assert_eq!(due(9_000, 10).await, [2, 3, 1]);
    assert_eq!(due(9_000, 2).await, [2, 3]);
    assert_eq!(due(8_999, 10).await, [2, 3]);

    let mut held = 5_002;
    for next in (1..=REFUSALS_MAX).map(|refusal| 20_000 + i64::from(refusal)) {
        apply(&*store, vec![release(2, fail(held, next, true))]).await?;
        held = next;
    }
    assert_eq!(due(99_999, 10).await, [3, 1]);
    let parked = store.parked_tasks(10).await?;
    assert_eq!(parked.len(), 1);
    assert_eq!(
        (parked[0].key.order_id, parked[0].attempts),
        (order_id(2), REFUSALS_MAX)
    );
    assert_eq!(parked[0].last_error.as_ref().unwrap().chars().count(), 500);
    apply(
        &*store,
        vec![
            release(2, TaskStep::Resume { at: at(1) }),
            release(3, TaskStep::Done),
        ],
    )
    .await?;
    assert_eq!(due(99_999, 10).await, [2, 1]);
    Ok(())
}

pub(in crate::store) async fn the_feed_moves_orders_and_cursor_together(
    store: Arc<dyn Store>,
) -> Checked {
    apply(&*store, vec![insert(1, 1, None), confirm(1, 900)]).await?;
    let late = follow(vec![event(2, 1, PaymentStatus::Paid)]);
    let outcomes = apply(&*store, vec![late]).await?;
    assert_eq!(
        outcomes,
        [Outcome::Follow(Followed::Gap {
            expected: 1,
            got: 2
        })]
    );
    assert_eq!(store.feed_cursor().await?, 0);

    let events = vec![
        event(1, 1, PaymentStatus::Failed),
        event(2, 1, PaymentStatus::Paid),
    ];
    apply(&*store, vec![follow(events.clone()), ship(1)]).await?;
    assert_eq!(store.feed_cursor().await?, 2);
    let order = store.find_order(&order_no(1)).await?.unwrap().order;
    assert_eq!(
        order.stage,
        Stage::Live(OrderStatus::Shipped),
        "the batch saw the money first"
    );
    let again = apply(&*store, vec![follow(events)]).await?;
    let nothing = Followed::Applied {
        cursor: 2,
        applied: 0,
        tasks: vec![],
    };
    assert_eq!(again, [Outcome::Follow(nothing)]);

    apply(
        &*store,
        vec![follow(vec![event(3, 77, PaymentStatus::Paid)])],
    )
    .await?;
    let tasks = store.due_tasks(&TaskKind::ALL, at(99_999), 10).await?;
    let unknown = tasks
        .iter()
        .find(|task| task.key.kind == TaskKind::Refund)
        .unwrap();
    assert_eq!(
        (unknown.key.order_id, &unknown.order_no),
        (order_id(77), &None)
    );
    Ok(())
}

pub(in crate::store) async fn leases_pass_from_holder_to_holder(store: Arc<dyn Store>) -> Checked {
    let take = |holder, now: i64| {
        lease(
            holder,
            LeaseStep::Take {
                at: at(now),
                until: at(now + 10),
            },
        )
    };
    let ops = vec![
        take("a", 0),
        take("b", 1),
        take("a", 5),
        take("b", 15),
        lease("b", LeaseStep::Free),
    ];
    let mut held = Vec::new();
    for op in ops {
        held.extend(apply(&*store, vec![op]).await?);
    }
    let expected = [true, false, true, true, false].map(Outcome::Lease);
    assert_eq!(held, expected);
    assert_eq!(
        apply(&*store, vec![take("c", 16), take("d", 16)]).await?,
        [Outcome::Lease(true), Outcome::Lease(false)]
    );
    Ok(())
}

pub(in crate::store) async fn health_counts_what_is_late(store: Arc<dyn Store>) -> Checked {
    fill(&*store).await?;
    let quiet = store.health(at(500)).await?;
    assert_eq!((quiet.orders_overdue, quiet.creations_overdue), (0, 0));
    let late = store.health(at(10_001)).await?;
    // Order 2 is PENDING, order 1 CREATING; releases of 3, 4 and 7, commits of 5 and 6.
    let expected = Health {
        tasks_outstanding: 5,
        tasks_parked: 0,
        orders_overdue: 1,
        creations_overdue: 1,
    };
    assert_eq!(late, expected);
    Ok(())
}

/// Replicas write the same keys at once: of each key there is one order.
pub(in crate::store) async fn race_for_keys(replicas: &[Arc<dyn Store>; 2]) -> Checked {
    for round in 0..50_u64 {
        let asked = request(1, &format!("k{round}"), 1);
        let writes = replicas.iter().zip(1..).map(|(replica, n): (_, u64)| {
            let new = insert(round * 2 + n, 1, Some(asked.clone()));
            replica.apply(Batch::from(vec![new]))
        });
        let outcomes: Result<Vec<_>, _> = join_all(writes).await.into_iter().collect();
        let new = outcomes?
            .iter()
            .flatten()
            .filter(|o| **o == Outcome::Insert(Inserted::New))
            .count();
        assert_eq!(new, 1, "round {round}");
    }
    Ok(())
}

/// The database refuses a batch whose last operation takes a number that is taken.
pub(in crate::store) async fn refuse_a_batch(store: Arc<dyn Store>) -> Checked {
    apply(&*store, vec![insert(1, 1, None), confirm(1, 900)]).await?;
    let before = side_by_side::picture(&*store).await?;
    let Op::Insert(mut twin) = insert(2, 1, None) else {
        unreachable!("an insert")
    };
    twin.order_no = order_no(1);
    let batch = vec![
        follow(vec![event(1, 1, PaymentStatus::Paid)]),
        ship(1),
        lease("a", LeaseStep::Free),
        Op::Insert(twin),
    ];
    let refused = store.apply(Batch::from(batch)).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(store.feed_cursor().await?, 0, "the event is not lost");
    assert_eq!(side_by_side::picture(&*store).await?, before);

    let events = vec![event(1, 1, PaymentStatus::Paid)];
    apply(&*store, vec![follow(events)]).await?;
    let order = store.find_order(&order_no(1)).await?.unwrap().order;
    assert_eq!(order.stage, Stage::Live(OrderStatus::Paid));
    Ok(())
}

/// One replica says that an order is paid while another one lets it expire: exactly one of them wins.
pub(in crate::store) async fn race_pay_against_expiry(replicas: &[Arc<dyn Store>; 2]) -> Checked {
    for id in 1..=100 {
        let new = vec![insert(id, 1, None), confirm(id, 900)];
        apply(&*replicas[0], new).await?;
        let moves = [pay(id, TOTAL), expire(id, 900)];
        let race = replicas.iter().zip(moves);
        let race = race.map(|(replica, op)| replica.apply(Batch::from(vec![op])));
        let outcomes: Result<Vec<_>, _> = join_all(race).await.into_iter().collect();
        let verdicts: Vec<_> = outcomes?
            .iter()
            .flatten()
            .map(|outcome| moved(outcome).verdict)
            .collect();
        let stage = replicas[1]
            .find_order(&order_no(id))
            .await?
            .unwrap()
            .order
            .stage;
        let kinds: Vec<_> = replicas[1]
            .due_tasks(&TaskKind::ALL, at(99_999), 1_000)
            .await?
            .iter()
            .filter(|task| task.key.order_id == order_id(id))
            .map(|task| task.key.kind)
            .collect();
        if verdicts == [Verdict::Now, Verdict::Illegal] {
            assert_eq!(stage, Stage::Live(OrderStatus::Paid), "order {id}");
            assert_eq!(kinds, [], "order {id}: it keeps its stock");
        } else {
            assert_eq!(verdicts, [Verdict::Illegal, Verdict::Now], "order {id}");
            assert_eq!(stage, Stage::Live(OrderStatus::Cancelled), "order {id}");
            assert_eq!(kinds, [TaskKind::Refund, TaskKind::Release], "order {id}");
        }
    }
    Ok(())
}
