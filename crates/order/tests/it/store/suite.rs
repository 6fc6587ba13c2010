//! The store suite: what any store must do.

use std::sync::Arc;

use futures::future::join_all;
use order::domain::{
    CancelCause, Cause, Followed, Inserted, LeaseStep, Moved, Op, Outcome, Stage, TaskKind,
    TaskStep, Verdict,
};
use order::store::{DueOrder, Health, OrderFilter, Store};
use platform::combiner::Batch;
use types::{IdempotencyKey, OrderStatus, Page, PaymentStatus, Violations};

use super::build::*;
use super::side_by_side;

type Checked = anyhow::Result<()>;

async fn apply(store: &dyn Store, ops: Vec<Op>) -> anyhow::Result<Vec<Outcome>> {
    Ok(store.apply(Batch::from(ops)).await?)
}

fn moved(outcome: &Outcome) -> &Moved {
    match outcome {
        Outcome::Move(Some(moved)) => moved,
        other => panic!("not moved: {other:?}"),
    }
}

fn page(number: i32, size: i32) -> Page {
    Page::read(number, size, &mut Violations::default())
}

/// Orders at every stage, with their tasks; answers what the store looks like then.
pub(super) async fn fill(store: &dyn Store) -> anyhow::Result<String> {
    store.reserve_ids(7).await?;
    let inserts = (1..=7).map(|id| {
        insert(
            id,
            id % 2 + 1,
            Some(request(id % 2 + 1, &format!("k{id}"), 1)),
        )
    });
    apply(store, inserts.collect()).await?;
    let confirms = (2..=6).map(|id| confirm(id, 900));
    apply(store, confirms.collect()).await?;
    apply(
        store,
        vec![cancel(3), pay(4, TOTAL), pay(5, TOTAL), pay(6, TOTAL)],
    )
    .await?;
    apply(store, vec![ship(5), ship(6), abandon(7, Cause::Asked, 8)]).await?;
    apply(
        store,
        vec![
            complete(6),
            follow(vec![event(1, 4, PaymentStatus::Refunded)]),
        ],
    )
    .await?;
    apply(
        store,
        vec![task(3, TaskKind::Release, fail(5_002, 9_000, true))],
    )
    .await?;
    side_by_side::picture(store).await
}

pub(super) async fn ids_are_reserved_once(store: Arc<dyn Store>) -> Checked {
    assert_eq!(store.reserve_ids(16).await?, 1..17);
    let blocks = join_all((0..8).map(|_| store.reserve_ids(10))).await;
    let mut starts: Vec<_> = blocks
        .into_iter()
        .map(|block| block.unwrap().start)
        .collect();
    starts.sort_unstable();
    assert_eq!(starts, [17, 27, 37, 47, 57, 67, 77, 87]);
    Ok(())
}

pub(super) async fn an_order_reads_back_as_it_was_written(store: Arc<dyn Store>) -> Checked {
    let asked = request(9, "键 1", 5);
    apply(&*store, vec![insert(2, 9, Some(asked.clone()))]).await?;
    let written = store.find_order(&order_no(2)).await?.unwrap();
    assert_eq!(written.order.id, order_id(2));
    assert_eq!(written.order.user_id, user(9));
    assert_eq!(written.order.total.get(), TOTAL);
    assert_eq!(written.order.stage, Stage::Creating);
    assert_eq!(written.order.expire_at, at(10_000));
    assert_eq!(written.order.request, Some(asked.clone()));
    assert_eq!(
        written.items,
        items(3).to_vec(),
        "in the order they were asked for"
    );
    assert_eq!(
        store.find_request(user(9), &asked.key).await?,
        Some(written.order)
    );
    assert_eq!(store.find_order(&order_no(3)).await?, None);
    Ok(())
}

pub(super) async fn a_batch_is_applied_in_its_order_and_each_hears_its_own_outcome(
    store: Arc<dyn Store>,
) -> Checked {
    let asked = request(1, "k", 1);
    let batch = vec![
        insert(1, 1, Some(asked.clone())),
        insert(2, 1, Some(asked)),
        insert(3, 1, Some(request(1, "k", 2))),
        confirm(1, 900),
        ship(1),
        pay(1, TOTAL),
        ship(1),
        cancel(9),
    ];
    let outcomes = apply(&*store, batch).await?;
    assert_eq!(outcomes[0], Outcome::Insert(Inserted::New));
    assert!(
        matches!(&outcomes[1], Outcome::Insert(Inserted::Repeat(first)) if first.id == order_id(1))
    );
    assert_eq!(outcomes[2], Outcome::Insert(Inserted::Conflict));
    assert_eq!(moved(&outcomes[3]).verdict, Verdict::Now);
    assert_eq!(
        moved(&outcomes[4]).verdict,
        Verdict::Illegal,
        "not paid yet"
    );
    assert_eq!(moved(&outcomes[5]).verdict, Verdict::Now);
    assert_eq!(moved(&outcomes[6]).verdict, Verdict::Now);
    assert_eq!(outcomes[7], Outcome::Move(None));
    assert_eq!(
        store.find_order(&order_no(2)).await?,
        None,
        "a refusal leaves nothing behind"
    );
    Ok(())
}

pub(super) async fn a_transition_is_written_with_its_tasks_and_its_history(
    store: Arc<dyn Store>,
) -> Checked {
    apply(&*store, vec![insert(1, 1, None), confirm(1, 900)]).await?;
    apply(&*store, vec![pay(1, TOTAL)]).await?;
    let outcomes = apply(&*store, vec![cancel(1)]).await?;
    let cancelled = store.find_order(&order_no(1)).await?.unwrap().order;
    assert_eq!(moved(&outcomes[0]).order, cancelled);
    assert_eq!(
        cancelled.cancelled,
        Some(CancelCause::Asked("不要了".to_owned()))
    );
    assert_eq!(
        cancelled
            .payment
            .as_ref()
            .unwrap()
            .third_party_no
            .as_deref(),
        Some("MOCK")
    );
    assert!(cancelled.refund_no().is_some());

    let history = store.history(order_id(1)).await?;
    let moves: Vec<_> = history.iter().map(|row| (row.from, row.to)).collect();
    let (pending, paid) = (OrderStatus::Pending, OrderStatus::Paid);
    assert_eq!(moves, [(pending, paid), (paid, OrderStatus::Cancelled)]);
    let tasks = store.due_tasks(at(5_002), 10).await?;
    assert_eq!(tasks.len(), 2);
    let recorded = &moved(&outcomes[0]).tasks;
    assert!(
        tasks.iter().all(|task| recorded.contains(task)),
        "{tasks:?}"
    );
    assert!(
        store.due_tasks(at(5_001), 10).await?.is_empty(),
        "their writer runs them first"
    );
    Ok(())
}

pub(super) async fn a_dropped_order_is_gone_with_its_items_and_key(
    store: Arc<dyn Store>,
) -> Checked {
    let asked = request(1, "k", 1);
    apply(&*store, vec![insert(1, 1, Some(asked.clone()))]).await?;
    apply(&*store, vec![drop_order(1)]).await?;
    assert_eq!(store.find_order(&order_no(1)).await?, None);
    assert_eq!(store.find_request(user(1), &asked.key).await?, None);
    // The same id again would stumble over items that stayed.
    let again = apply(&*store, vec![insert(1, 1, Some(asked))]).await?;
    assert_eq!(again, [Outcome::Insert(Inserted::New)]);
    assert_eq!(
        store.find_order(&order_no(1)).await?.unwrap().items,
        items(2).to_vec()
    );
    Ok(())
}

pub(super) async fn a_key_freed_in_a_batch_is_taken_in_the_same_batch(
    store: Arc<dyn Store>,
) -> Checked {
    let (dropped, abandoned) = (request(1, "dropped", 1), request(1, "abandoned", 1));
    let first = vec![
        insert(1, 1, Some(dropped.clone())),
        insert(2, 1, Some(abandoned.clone())),
    ];
    apply(&*store, first).await?;
    let batch = vec![
        drop_order(1),
        abandon(2, Cause::Asked, 1),
        insert(3, 1, Some(dropped.clone())),
        insert(4, 1, Some(abandoned.clone())),
    ];
    let outcomes = apply(&*store, batch).await?;
    assert_eq!(
        outcomes[2..],
        [
            Outcome::Insert(Inserted::New),
            Outcome::Insert(Inserted::New)
        ]
    );
    let found = async |asked: &order::domain::RequestKey| {
        store
            .find_request(user(1), &asked.key)
            .await
            .unwrap()
            .unwrap()
            .id
    };
    assert_eq!(found(&dropped).await, order_id(3));
    assert_eq!(found(&abandoned).await, order_id(4));
    Ok(())
}

pub(super) async fn keys_are_bytes_and_each_users_own(store: Arc<dyn Store>) -> Checked {
    let keys = ["a", "A", "a ", "é", "e\u{301}"];
    let mut ops: Vec<_> = (1..)
        .zip(keys)
        .map(|(id, key)| insert(id, 1, Some(request(1, key, 1))))
        .collect();
    ops.push(insert(6, 2, Some(request(2, "a", 7))));
    let outcomes = apply(&*store, ops).await?;
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == Outcome::Insert(Inserted::New))
    );
    for (id, key) in (1..).zip(keys) {
        let key = IdempotencyKey::new(key).unwrap();
        assert_eq!(
            store.find_request(user(1), &key).await?.unwrap().id,
            order_id(id)
        );
    }
    Ok(())
}

pub(super) async fn lists_show_what_callers_may_know_newest_first(
    store: Arc<dyn Store>,
) -> Checked {
    fill(&*store).await?;
    let list = async |user_id, status, number, size| {
        let filter = OrderFilter { user_id, status };
        let (orders, total) = store.list_orders(filter, page(number, size)).await.unwrap();
        let ids: Vec<_> = orders.iter().map(|detail| detail.order.id.get()).collect();
        assert!(orders.iter().all(|detail| !detail.items.is_empty()));
        (ids, total)
    };
    // 1 is CREATING and 7 was abandoned.
    assert_eq!(list(None, None, 1, 20).await, (vec![6, 5, 4, 3, 2], 5));
    assert_eq!(list(None, None, 2, 2).await, (vec![4, 3], 5));
    assert_eq!(list(None, None, 9, 2).await, (vec![], 5));
    assert_eq!(list(Some(user(1)), None, 1, 20).await, (vec![6, 4, 2], 3));
    let cancelled = Some(OrderStatus::Cancelled);
    assert_eq!(list(None, cancelled, 1, 20).await, (vec![4, 3], 2));
    assert_eq!(list(Some(user(2)), cancelled, 1, 20).await, (vec![3], 1));
    assert_eq!(list(Some(user(3)), None, 1, 20).await, (vec![], 0));
    Ok(())
}

pub(super) async fn deadlines_are_paged_without_loss_also_where_they_are_equal(
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

pub(super) async fn due_tasks_come_soonest_first_and_parked_ones_apart(
    store: Arc<dyn Store>,
) -> Checked {
    let ops = (1..=3).flat_map(|id| [insert(id, 1, None), confirm(id, 900), cancel(id)]);
    apply(&*store, ops.collect()).await?;
    let release = |id, step| task(id, TaskKind::Release, step);
    apply(&*store, vec![release(1, fail(5_002, 9_000, false))]).await?;
    let due = async |now, limit| {
        let tasks = store.due_tasks(at(now), limit).await.unwrap();
        tasks
            .iter()
            .map(|task| task.key.order_id.get())
            .collect::<Vec<_>>()
    };
    assert_eq!(due(9_000, 10).await, [2, 3, 1]);
    assert_eq!(due(9_000, 2).await, [2, 3]);
    assert_eq!(due(8_999, 10).await, [2, 3]);

    let mut held = 5_002;
    for next in 20_000..20_005 {
        apply(&*store, vec![release(2, fail(held, next, true))]).await?;
        held = next;
    }
    assert_eq!(due(99_999, 10).await, [3, 1]);
    let parked = store.parked_tasks(10).await?;
    assert_eq!(parked.len(), 1);
    assert_eq!(
        (parked[0].key.order_id, parked[0].attempts),
        (order_id(2), 5)
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

pub(super) async fn the_feed_moves_orders_and_cursor_together(store: Arc<dyn Store>) -> Checked {
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
    let tasks = store.due_tasks(at(99_999), 10).await?;
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

pub(super) async fn leases_pass_from_holder_to_holder(store: Arc<dyn Store>) -> Checked {
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

pub(super) async fn health_counts_what_is_late(store: Arc<dyn Store>) -> Checked {
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

/// Replicas write the same keys at once: of each key there is one order, and all hear of it.
pub(super) async fn race_for_keys(replicas: &[Arc<dyn Store>; 2]) -> Checked {
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
