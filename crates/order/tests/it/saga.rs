//! Proves that a creation ends as an order that holds its stock, or as nothing that holds nothing:
//! every step repeated, refused, unknown with its effect done and not done, its database failing,
//! its creator dying, its caller leaving.

use std::sync::Arc;
use std::time::Duration;

use api::order::v1::{CreateOrderResponse, ListOrdersRequest};
use order::domain::{Cause, NewOrder, Op, RequestKey, Stage, Stamp};
use platform::clock::Clock;
use platform::combiner::Batch;
use testkit::eventually;
use tonic::{Code, Status};
use types::{Fen, IdempotencyKey, OrderId, OrderNo, UserId, Violations};

use crate::fakes::{Act, Fault, FlakyStore};
use crate::shop::{Shop, World, create_request, ran_late, tells_to_retry, within};

/// Past the creator's lease.
const LEASE: Duration = Duration::from_secs(11);

/// Nothing is held, by no row; whatever still arrives finds a fence.
async fn assert_clean_slate(world: &World) {
    world.settle().await;
    world.clock.advance(LEASE);
    eventually("nothing is being created", async || {
        (world.hidden(Stage::Creating).await == 0).then_some(())
    })
    .await;
    world.settle().await;
    for code in world.inventory.deliver_delayed() {
        assert_eq!(code, 40904, "a late deduction meets the fence");
    }
    assert_eq!(world.inventory.held_in_all(), 0);
    assert_eq!(
        (world.inventory.free(1), world.inventory.free(2)),
        (100, 100)
    );
}

/// The order is there and holds exactly its items.
async fn assert_whole(shop: &Shop, created: &CreateOrderResponse) {
    assert_eq!(created.code, 0, "{}", created.message);
    assert_eq!(shop.status(&created.order_no).await, 1);
    assert_eq!(shop.world.inventory.held(&created.order_no), 3);
    assert_eq!(shop.world.inventory.held_in_all(), 3);
    assert_eq!(
        shop.world
            .inventory
            .deliver_delayed()
            .iter()
            .filter(|code| **code != 0)
            .count(),
        0
    );
    assert_eq!(
        shop.world.inventory.held_in_all(),
        3,
        "a late twin takes nothing"
    );
}

#[tokio::test]
async fn a_deduction_without_an_answer_is_asked_again_and_takes_nothing_twice() -> anyhow::Result<()>
{
    let scripts: [&[Act]; 5] = [
        &[Act::LoseRequest],
        &[Act::LoseReply],
        &[Act::Delay],
        &[Act::LoseRequest, Act::LoseReply],
        &[Act::Delay, Act::LoseReply],
    ];
    for script in scripts {
        let shop = Shop::new().await?;
        shop.world.inventory.deducts.next(script.iter().copied());
        let created = shop.create_one().await;
        assert_whole(&shop, &created).await;
        assert_eq!(shop.world.inventory.deducts.calls(), script.len() + 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_deduction_that_is_never_answered_is_called_off() -> anyhow::Result<()> {
    for act in [Act::LoseRequest, Act::LoseReply, Act::Delay] {
        let shop = Shop::new().await?;
        shop.world.inventory.deducts.always(act);
        let status = shop.create(&[(1, 2), (2, 1)], "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{act:?}: {status:?}");
        assert!(
            tells_to_retry(&status),
            "there is no order: asking again does no harm"
        );
        assert_clean_slate(&shop.world).await;
        assert!(shop.world.inventory.is_fenced("ORD20261122134405000001"));
    }
    Ok(())
}

#[tokio::test]
async fn a_deduction_that_hangs_ends_with_its_callers_patience() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.inventory.deducts.always(Act::Hang);
    let request = within(Duration::from_millis(500), create_request(1, &[(1, 2)], ""));
    let status = shop.client.clone().create_order(request).await.unwrap_err();
    assert!(ran_late(&status), "{status:?}");
    assert_clean_slate(&shop.world).await;
    Ok(())
}

#[tokio::test]
async fn too_little_stock_for_certain_leaves_no_trace() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    assert_eq!(shop.create(&[(1, 1), (2, 101)], "").await?.code, 40100);
    assert!(shop.world.row("ORD20261122134405000001").await.is_none());
    assert_eq!(
        shop.world.inventory.releases.calls(),
        0,
        "there was nothing to give back"
    );
    assert_clean_slate(&shop.world).await;
    Ok(())
}

#[tokio::test]
async fn too_little_stock_after_a_try_in_doubt_is_fenced() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.inventory.deducts.next([Act::Delay]);
    assert_eq!(shop.create(&[(1, 101)], "").await?.code, 40100);
    let row = shop.world.row("ORD20261122134405000001").await.unwrap();
    assert_eq!(row.order.stage, Stage::Abandoned);
    shop.world.settle().await;
    // Now the first try arrives, and finds enough.
    shop.world.inventory.restock(1, 50);
    assert_eq!(shop.world.inventory.deliver_delayed(), [40904]);
    assert_eq!(shop.world.inventory.held_in_all(), 0);
    Ok(())
}

#[tokio::test]
async fn a_refusal_of_another_kind_is_50002_and_nothing_is_held() -> anyhow::Result<()> {
    for doubt in [&[][..], &[Act::LoseReply], &[Act::Delay]] {
        for refusal in [Act::Refuse(40901), Act::Reject] {
            let shop = Shop::new().await?;
            shop.world
                .inventory
                .deducts
                .next(doubt.iter().copied().chain([refusal]));
            let refused = shop.create(&[(1, 2)], "").await?;
            assert_eq!(
                (refused.code, refused.message.as_str()),
                (50002, "创建订单失败")
            );
            assert_clean_slate(&shop.world).await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_compensation_is_repeated_until_it_is_done() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.inventory.deducts.always(Act::LoseReply);
    let trouble = [
        Act::LoseRequest,
        Act::Refuse(40901),
        Act::LoseReply,
        Act::Hang,
        Act::LoseReply,
    ];
    shop.world.inventory.releases.next(trouble);
    shop.create(&[(1, 2)], "").await.unwrap_err();
    assert_clean_slate(&shop.world).await;
    assert!(shop.world.inventory.releases.calls() > trouble.len());
    Ok(())
}

#[tokio::test]
async fn a_catalog_that_does_not_answer_leaves_nothing_behind() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.catalog.reads.next([Act::LoseRequest, Act::Hang]);
    let status = shop.create(&[(1, 1)], "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(tells_to_retry(&status));
    let request = within(Duration::from_millis(100), create_request(1, &[(1, 1)], ""));
    let status = shop.client.clone().create_order(request).await.unwrap_err();
    assert!(ran_late(&status), "{status:?}");
    assert_eq!(shop.world.inventory.deducts.calls(), 0);
    assert_eq!(shop.world.hidden(Stage::Creating).await, 0);
    Ok(())
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_a_whole_order() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world
        .inventory
        .deducts
        .next([Act::LoseRequest, Act::LoseReply]);
    let asked = eventually("the deduction is asked for", async || {
        (shop.world.inventory.deducts.calls() > 0).then_some(())
    });
    tokio::select! {
        _ = shop.create(&[(1, 2), (2, 1)], "") => panic!("answered too early"),
        () = asked => {}
    }
    let listed = eventually("the order is there", async || {
        let request = ListOrdersRequest {
            user_id: 1,
            ..Default::default()
        };
        let listed = shop
            .client
            .clone()
            .list_orders(request)
            .await
            .unwrap()
            .into_inner();
        listed.orders.first().cloned()
    })
    .await;
    assert_eq!(shop.world.inventory.held(&listed.order_no), 3);
    Ok(())
}

/// A creation that some replica wrote down and did not finish.
async fn leave_unfinished(world: &World, key: Option<&str>) -> (OrderId, OrderNo) {
    let basket =
        order::domain::Basket::read([(1, 2), (2, 1)].into_iter(), &mut Violations::default())
            .unwrap();
    let user_id = UserId::new(1).unwrap();
    let serial = world.store.reserve_ids(1).await.unwrap().start;
    let (id, at) = (OrderId::new(serial).unwrap(), world.clock.now());
    let order_no = OrderNo::generate(at, serial);
    let request = key.map(|key| RequestKey {
        key: IdempotencyKey::new(key).unwrap(),
        fingerprint: basket.fingerprint(user_id),
    });
    let new = NewOrder {
        id,
        order_no: order_no.clone(),
        user_id,
        total: Fen::stored(25_700),
        items: Arc::new([]),
        request,
        at,
        lease_until: at.plus(world.timing.creation_lease),
    };
    world
        .store
        .apply(Batch::from(vec![Op::Insert(Box::new(new))]))
        .await
        .unwrap();
    (id, order_no)
}

async fn confirm(world: &World, id: OrderId) {
    let at = world.clock.now();
    let confirm = Op::Confirm {
        id,
        at,
        expire_at: at.plus(world.timing.payment_timeout),
    };
    world.store.apply(Batch::from(vec![confirm])).await.unwrap();
}

#[tokio::test]
async fn a_creation_whose_creator_died_is_called_off_when_its_lease_runs_out() -> anyhow::Result<()>
{
    let world = World::new();
    let (_, order_no) = leave_unfinished(&world, None).await;
    world.inventory.hold(order_no.as_str(), &[(1, 2), (2, 1)]);
    let shop = world.open().await?;
    assert_eq!(
        shop.get(order_no.as_str()).await?.code,
        40401,
        "nobody sees it"
    );

    let lease_end = world.clock.now().plus(world.timing.creation_lease);
    world.clock.set(lease_end.minus(Duration::from_millis(1)));
    // A witness: what is overdue is found in the same rounds.
    let (_, witness) = leave_unfinished_long_ago(&world).await;
    eventually("the witness is called off", async || {
        let row = world.row(witness.as_str()).await.unwrap();
        (row.order.stage == Stage::Abandoned).then_some(())
    })
    .await;
    let row = world.row(order_no.as_str()).await.unwrap();
    assert_eq!(
        row.order.stage,
        Stage::Creating,
        "its creator may still be at it"
    );
    assert_clean_slate(&world).await;
    assert_eq!(shop.get(order_no.as_str()).await?.code, 40401);
    Ok(())
}

async fn leave_unfinished_long_ago(world: &World) -> (OrderId, OrderNo) {
    let now = world.clock.now();
    world.clock.set(now.minus(LEASE));
    let left = leave_unfinished(world, None).await;
    world.clock.set(now);
    left
}

#[tokio::test]
async fn a_slow_creator_and_recovery_cannot_both_win() -> anyhow::Result<()> {
    let mut world = World::new();
    world.timing.settle_limit = Duration::from_secs(5);
    let shop = world.open().await?;
    world.inventory.deducts.always(Act::LoseRequest);
    let recovery = async {
        eventually("the creator is at it", async || {
            (world.inventory.deducts.calls() > 0).then_some(())
        })
        .await;
        world.clock.advance(LEASE);
        eventually("recovery has fenced the hold", async || {
            world
                .inventory
                .is_fenced("ORD20261122134405000001")
                .then_some(())
        })
        .await;
        world.inventory.deducts.always(Act::Serve);
    };
    let (status, ()) = tokio::join!(shop.create(&[(1, 2)], ""), recovery);
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
    assert_clean_slate(&world).await;
    Ok(())
}

#[tokio::test]
async fn a_repeat_waits_for_the_first_request_on_another_replica() -> anyhow::Result<()> {
    let mut world = World::new();
    let (id, order_no) = leave_unfinished(&world, Some("k")).await;
    let watched = Arc::new(FlakyStore::over(Arc::clone(&world.store)));
    world.store = watched.clone();
    let shop = world.open().await?;
    let finish = async {
        eventually("the repeat has looked twice", async || {
            (watched.looks_for_requests() >= 2).then_some(())
        })
        .await;
        confirm(&world, id).await;
    };
    let (answer, ()) = tokio::join!(shop.create(&[(1, 2), (2, 1)], "k"), finish);
    assert_eq!(answer?.order_no, order_no.as_str());
    assert_eq!(world.inventory.deducts.calls(), 0);
    Ok(())
}

#[tokio::test]
async fn a_repeat_takes_over_when_the_first_request_died() -> anyhow::Result<()> {
    let world = World::new();
    let (_, dead) = leave_unfinished(&world, Some("k")).await;
    let shop = world.open().await?;
    let request = within(
        Duration::from_millis(300),
        create_request(1, &[(1, 2), (2, 1)], "k"),
    );
    let status = shop.client.clone().create_order(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(tells_to_retry(&status));

    world.clock.advance(LEASE);
    let created = shop.create(&[(1, 2), (2, 1)], "k").await?;
    assert_ne!(created.order_no, dead.as_str());
    assert_whole(&shop, &created).await;
    Ok(())
}

#[tokio::test]
async fn a_key_whose_creation_was_called_off_is_free() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.inventory.deducts.always(Act::LoseReply);
    shop.create(&[(1, 2), (2, 1)], "k").await.unwrap_err();
    shop.world.inventory.deducts.always(Act::Serve);
    let created = shop.create(&[(1, 2), (2, 1)], "k").await?;
    shop.world.settle().await;
    assert_whole(&shop, &created).await;
    assert_eq!(shop.create(&[(1, 2), (2, 1)], "k").await?, created);
    Ok(())
}

/// Creates an order while the store fails at the operations that `picks` picks.
async fn create_on_flaky_store(
    picks: fn(&Op) -> bool,
    faults: &[Fault],
    deduct: Act,
) -> anyhow::Result<(Shop, Result<CreateOrderResponse, Status>)> {
    let mut world = World::new();
    world.timing.creation_lease = Duration::from_secs(2);
    let flaky = Arc::new(FlakyStore::over(Arc::clone(&world.store)));
    for fault in faults {
        flaky.next(picks, *fault);
    }
    world.store = flaky.clone();
    world.inventory.deducts.always(deduct);
    let shop = world.open().await?;
    let answer = shop.create(&[(1, 2), (2, 1)], "k").await;
    assert!(flaky.is_spent(), "every fault was met");
    shop.world.inventory.deducts.always(Act::Serve);
    Ok((shop, answer))
}

#[tokio::test]
async fn a_database_that_fails_at_the_first_step_leaves_nothing() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let inserts = |op: &Op| matches!(op, Op::Insert(_));
        let (shop, answer) = create_on_flaky_store(inserts, &[fault], Act::Serve).await?;
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{fault:?}");
        assert!(tells_to_retry(&status));
        assert_clean_slate(&shop.world).await;
        let created = shop.create(&[(1, 2), (2, 1)], "k").await?;
        assert_whole(&shop, &created).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_confirmation_without_an_answer_is_asked_again() -> anyhow::Result<()> {
    for faults in [
        &[Fault::Down][..],
        &[Fault::LoseRequest],
        &[Fault::LoseReply],
        &[Fault::LoseReply, Fault::LoseRequest, Fault::Down],
    ] {
        let confirms = |op: &Op| matches!(op, Op::Confirm { .. });
        let (shop, answer) = create_on_flaky_store(confirms, faults, Act::Serve).await?;
        assert_whole(&shop, &answer?).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_calling_off_that_fails_is_left_to_recovery() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let abandons = |op: &Op| {
            matches!(
                op,
                Op::Abandon {
                    cause: Cause::Asked,
                    ..
                }
            )
        };
        let (shop, answer) = create_on_flaky_store(abandons, &[fault], Act::LoseReply).await?;
        assert_eq!(answer.unwrap_err().code(), Code::Unavailable, "{fault:?}");
        assert_clean_slate(&shop.world).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_drop_that_fails_is_left_to_recovery() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let drops = |op: &Op| matches!(op, Op::Drop { .. });
        let (shop, answer) = create_on_flaky_store(drops, &[fault], Act::Refuse(40100)).await?;
        assert_eq!(answer?.code, 40100, "{fault:?}");
        assert_clean_slate(&shop.world).await;
    }
    Ok(())
}

#[tokio::test]
async fn what_recovery_abandons_is_given_back_once_also_when_it_is_told_twice() -> anyhow::Result<()>
{
    let world = World::new();
    let (id, order_no) = leave_unfinished(&world, None).await;
    world.inventory.hold(order_no.as_str(), &[(1, 2), (2, 1)]);
    let at = world.clock.now().plus(LEASE);
    let stamp = Stamp {
        at,
        tasks_due_at: at,
    };
    let abandon = || Op::Abandon {
        id,
        cause: Cause::Overdue,
        stamp,
    };
    world
        .store
        .apply(Batch::from(vec![abandon(), abandon()]))
        .await?;
    // Its writer died with the task in hand; two replicas find it.
    let (_one, _two) = (world.open().await?, world.open().await?);
    assert_clean_slate(&world).await;
    Ok(())
}
