//! Orders, their items, keys, history and lists.

use super::*;

pub(in crate::store) async fn ids_are_reserved_once(store: Arc<dyn Store>) -> Checked {
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

pub(in crate::store) async fn an_order_reads_back_as_it_was_written(
    store: Arc<dyn Store>,
) -> Checked {
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

pub(in crate::store) async fn an_order_is_found_by_its_own_number_alone(
    store: Arc<dyn Store>,
) -> Checked {
    apply(&*store, vec![insert(1, 1, None), insert(2, 1, None)]).await?;
    let of_another_time = OrderNo::generate(at(1_000), 1);
    let unnumbered = [
        "ORD",
        "ORD19700101000000",
        "ORD19700101000000+00001",
        "ORD1970010100000099999999999999",
        "nonsense",
    ];
    let unnumbered = unnumbered.map(|text| OrderNo::parse(text).unwrap());
    let mut asked = vec![of_another_time, order_no(2)];
    asked.extend(unnumbered);
    let found = store.find_orders(&asked).await?;
    let found: Vec<_> = found.into_iter().map(|found| found.order.id).collect();
    assert_eq!(found, [order_id(2)]);
    Ok(())
}

pub(in crate::store) async fn a_batch_is_applied_in_its_order_and_each_hears_its_own_outcome(
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

pub(in crate::store) async fn a_transition_is_written_with_its_tasks_and_its_history(
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
    let tasks = store.due_tasks(&TaskKind::ALL, at(5_002), 10).await?;
    assert_eq!(tasks.len(), 2);
    let recorded = &moved(&outcomes[0]).tasks;
    assert!(
        tasks.iter().all(|task| recorded.contains(task)),
        "{tasks:?}"
    );
    assert!(
        store
            .due_tasks(&TaskKind::ALL, at(5_001), 10)
            .await?
            .is_empty(),
        "their writer runs them first"
    );
    Ok(())
}

pub(in crate::store) async fn a_dropped_order_is_gone_with_its_items_and_key(
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

pub(in crate::store) async fn a_confirmation_tells_of_money_that_was_noted_before(
    store: Arc<dyn Store>,
) -> Checked {
    apply(&*store, vec![insert(1, 1, None), insert(2, 1, None)]).await?;
    apply(&*store, vec![pay(1, TOTAL)]).await?;
    let outcomes = apply(&*store, vec![confirm(1, 900), confirm(2, 900)]).await?;
    let noted = outcomes
        .iter()
        .map(|outcome| moved(outcome).order.payment.clone())
        .map(|payment| payment.map(|payment| payment.payment_no));
    assert_eq!(noted.collect::<Vec<_>>(), [Some(payment_no(1)), None]);
    Ok(())
}

pub(in crate::store) async fn a_key_freed_in_a_batch_is_taken_in_the_same_batch(
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
        abandon(2, AbandonedBy::Creator, 1),
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

pub(in crate::store) async fn keys_are_bytes_and_each_users_own(store: Arc<dyn Store>) -> Checked {
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
    // Many at once, one of them unknown.
    let asked = [(1, "A"), (2, "a"), (3, "a"), (1, "é")];
    let asked = asked.map(|(id, key)| (user(id), IdempotencyKey::new(key).unwrap()));
    let mut found = store.find_requests(&asked).await?;
    found.sort_by_key(|order| order.id);
    let ids: Vec<_> = found.iter().map(|order| order.id).collect();
    assert_eq!(ids, [2, 4, 6].map(order_id));
    Ok(())
}

pub(in crate::store) async fn lists_show_what_callers_may_know_newest_first(
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

/// One replica makes an order under a key, the other one looks it up before and after it is confirmed; how often
/// the barrier was passed for each.
pub(in crate::store) async fn repeat_elsewhere(
    replicas: &[Arc<dyn Store>; 2],
    home: &TestDatabase,
) -> anyhow::Result<[i64; 2]> {
    let key = IdempotencyKey::new("again").unwrap();
    let mut passes = [0; 2];
    let steps = [
        insert(1, 1, Some(request(1, "again", 1))),
        confirm(1, 9_000),
    ];
    for (step, passes) in steps.into_iter().zip(&mut passes) {
        apply(&*replicas[0], vec![step]).await?;
        let before = home.barrier_passes().await?;
        assert!(replicas[1].find_request(user(1), &key).await?.is_some());
        *passes = home.barrier_passes().await? - before;
    }
    Ok(passes)
}
