//! Orders without a key: held first, written down once; the intent is their log.

use order::domain::{Inserted, Intent, IntentStep, Outcome};

use super::*;

/// What was opened by a replica that is no more.
async fn leave_intent(world: &World, len: u64) -> Intent {
    let ids = world.store.reserve_ids(len).await.unwrap();
    let at = world.clock.now();
    let intent = Intent {
        first: OrderId::new(ids.start).unwrap(),
        last: OrderId::new(ids.end - 1).unwrap(),
        numbered_at: at,
        lease_until: at.plus(world.timing.creation_lease),
        written: 0,
        recovering: false,
    };
    let (first, step) = (intent.first, IntentStep::Open(intent));
    let opened = vec![Op::Intent { first, step }];
    let opened = world.store.apply(Batch::from(opened)).await.unwrap();
    assert_eq!(opened, [Outcome::Intent(true)]);
    intent
}

/// The order of one of its ids, as its creator wrote it.
async fn write_under(world: &World, intent: Intent, id: OrderId) {
    let expire_at = world.clock.now().plus(world.timing.payment_timeout);
    let new = NewOrder {
        id,
        order_no: intent.number(id),
        user_id: UserId::new(1).unwrap(),
        total: Fen::stored(25_700),
        items: Arc::new([]),
        request: None,
        at: world.clock.now(),
        birth: Birth::Held {
            intent: intent.first,
            expire_at,
        },
        may_be_there: false,
    };
    let written = vec![Op::Insert(Box::new(new))];
    let written = world.store.apply(Batch::from(written)).await.unwrap();
    assert_eq!(written, [Outcome::Insert(Inserted::New)]);
}

#[tokio::test]
async fn an_order_is_written_once_and_its_intent_goes() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    for made in 1..=3 {
        let created = shop.create(&[(1, 2), (2, 1)], "").await?;
        assert_eq!(created.order_id, made, "one after another");
        assert_eq!(shop.world.inventory.held(&created.order_no), 3);
    }
    no_intent_is_left(&shop.world).await;
    assert_eq!(shop.world.hidden(Stage::Creating).await, 0);
    assert_eq!(shop.world.inventory.releases.calls(), 0);
    Ok(())
}

#[tokio::test]
async fn what_a_dead_creator_holds_without_an_order_is_given_back_and_its_orders_stay()
-> anyhow::Result<()> {
    let world = World::new().await?;
    let intent = leave_intent(&world, 8).await;
    let ids: Vec<_> = intent.ids().collect();
    for id in [ids[0], ids[2], ids[3]] {
        let number = intent.number(id);
        world.inventory.hold(number.as_str(), &[(1, 2), (2, 1)]);
    }
    write_under(&world, intent, ids[0]).await;
    let shop = world.open().await?;
    assert_eq!(
        world.inventory.held_in_all(),
        9,
        "its creator may still be at it"
    );

    world.clock.advance(LEASE);
    no_intent_is_left(&world).await;
    let number = |at: usize| intent.number(ids[at]);
    assert_eq!(world.inventory.held_in_all(), 3);
    assert_eq!(world.inventory.held(number(0).as_str()), 3);
    assert_eq!(shop.status(number(0).as_str()).await, 1);
    assert!(!world.inventory.is_fenced(number(0).as_str()));
    for at in 1..8 {
        assert!(world.inventory.is_fenced(number(at).as_str()), "{at}");
        assert_eq!(shop.get(number(at).as_str()).await?.code, 40401);
    }
    Ok(())
}

#[tokio::test]
async fn a_recovery_that_fails_or_dies_halfway_begins_again() -> anyhow::Result<()> {
    for trouble in [Act::LoseRequest, Act::Refuse(40901), Act::LoseReply] {
        let world = World::new().await?;
        let intent = leave_intent(&world, 3).await;
        let number = intent.number(intent.first);
        world.inventory.hold(number.as_str(), &[(1, 2)]);
        // Another recovery took it over, and died.
        world.clock.advance(LEASE);
        let (at, until) = (world.clock.now(), world.clock.now().plus(LEASE));
        let step = IntentStep::TakeOver { at, until };
        let first = intent.first;
        let taken = vec![Op::Intent { first, step }];
        world.store.apply(Batch::from(taken)).await?;
        world.inventory.releases.next([trouble]);
        let _replicas = (world.open().await?, world.open().await?);
        eventually("no intent is left", async || {
            world.clock.advance(LEASE);
            let all = world.store.due_intents(world.end_of_time(), 9);
            all.await.unwrap().is_empty().then_some(())
        })
        .await;
        assert_eq!(world.inventory.held_in_all(), 0, "{trouble:?}");
        assert!(world.inventory.is_fenced(number.as_str()));
    }
    Ok(())
}

#[tokio::test]
async fn one_id_that_is_not_answered_for_holds_up_no_other() -> anyhow::Result<()> {
    let world = World::new().await?;
    let intent = leave_intent(&world, 80).await;
    for id in [intent.first, intent.last] {
        world.inventory.hold(intent.number(id).as_str(), &[(1, 2)]);
    }
    world
        .inventory
        .releases
        .next([Act::LoseRequest, Act::LoseReply]);
    let _shop = world.open().await?;
    world.clock.advance(LEASE);
    no_intent_is_left(&world).await;
    for id in intent.ids() {
        assert!(
            world.inventory.is_fenced(intent.number(id).as_str()),
            "{id}"
        );
    }
    assert_eq!(world.inventory.held_in_all(), 0);
    assert_eq!(world.inventory.releases.calls(), 82, "those two once more");
    Ok(())
}

#[tokio::test]
async fn an_inventory_that_is_away_is_asked_for_no_more_than_a_few() -> anyhow::Result<()> {
    let world = World::new().await?;
    let intent = leave_intent(&world, 80).await;
    world.inventory.releases.always(Act::LoseRequest);
    let shop = world.open().await?;
    world.clock.advance(LEASE);
    eventually("recovery has tried", async || {
        (world.inventory.releases.calls() >= 32).then_some(())
    })
    .await;
    // Orders are made meanwhile.
    let created = shop.create_one().await;
    assert_eq!(world.inventory.held(&created.order_no), 3);
    assert_eq!(
        world.inventory.releases.calls(),
        32,
        "until its own lease has run out"
    );
    world.inventory.releases.always(Act::Serve);
    eventually("it is settled", async || {
        world.clock.advance(LEASE);
        world
            .inventory
            .is_fenced(intent.number(intent.last).as_str())
            .then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_creator_that_recovery_has_overtaken_writes_nothing_down() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.timing.settle_limit = Duration::from_secs(5);
    let shop = world.open().await?;
    // It holds the stock, and does not hear of it until recovery has been there.
    world.inventory.deducts.always(Act::LoseReply);
    let recovery = async {
        eventually("the stock is held", async || {
            (world.inventory.held_in_all() > 0).then_some(())
        })
        .await;
        world.clock.advance(LEASE);
        eventually("recovery has given it back", async || {
            (world.inventory.held_in_all() == 0).then_some(())
        })
        .await;
        world.inventory.deducts.always(Act::Serve);
    };
    let (status, ()) = tokio::join!(shop.create(&[(1, 2)], ""), recovery);
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(tells_to_retry(&status), "there is no order");
    assert_clean_slate(&world).await;
    // The next one has an intent of its own.
    world.inventory.restock(1, 0);
    let created = shop.create_one().await;
    assert_whole(&shop, &created).await;
    Ok(())
}

#[tokio::test]
async fn an_id_that_nobody_could_settle_keeps_its_intent_for_recovery() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let inserts = |op: &Op| matches!(op, Op::Insert(_));
        let mut world = World::new().await?;
        let flaky = Arc::new(FlakyStore::over(Arc::clone(&world.store)));
        flaky.next(inserts, fault);
        world.replica_store = Some(flaky.clone());
        let shop = world.open().await?;
        world.inventory.deducts.always(Act::LoseReply);
        let status = shop.create(&[(1, 2), (2, 1)], "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{fault:?}");
        assert!(
            tells_to_retry(&status),
            "it was never written down as an order"
        );
        assert!(flaky.is_spent(), "it could not be called off");
        assert_eq!(world.inventory.held_in_all(), 3);
        assert_clean_slate(&world).await;
    }
    Ok(())
}

#[tokio::test]
async fn an_intent_that_cannot_be_opened_leaves_nothing() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let opens = |op: &Op| {
            matches!(
                op,
                Op::Intent {
                    step: IntentStep::Open(_),
                    ..
                }
            )
        };
        let (shop, answer) = create_on_flaky_store("", opens, &[fault], Act::Serve).await?;
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{fault:?}");
        assert!(tells_to_retry(&status));
        assert_eq!(shop.world.inventory.deducts.calls(), 0);
        let created = shop.create(&[(1, 2), (2, 1)], "").await?;
        assert_whole(&shop, &created).await;
    }
    Ok(())
}

#[tokio::test]
async fn an_order_that_may_be_there_is_looked_for_and_written_once() -> anyhow::Result<()> {
    for faults in [
        &[Fault::Down][..],
        &[Fault::LoseRequest],
        &[Fault::LoseReply],
        &[Fault::LoseReply, Fault::LoseRequest, Fault::Down],
        &[Fault::LoseRequest, Fault::LoseReply],
    ] {
        let inserts = |op: &Op| matches!(op, Op::Insert(_));
        let (shop, answer) = create_on_flaky_store("", inserts, faults, Act::Serve).await?;
        assert_whole(&shop, &answer?).await;
        no_intent_is_left(&shop.world).await;
    }
    Ok(())
}

#[tokio::test]
async fn an_intent_that_was_not_closed_is_recovered_and_costs_no_order() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let closes = |op: &Op| {
            matches!(
                op,
                Op::Intent {
                    step: IntentStep::Close,
                    ..
                }
            )
        };
        let mut world = World::new().await?;
        let flaky = Arc::new(FlakyStore::over(Arc::clone(&world.store)));
        flaky.next(closes, fault);
        world.replica_store = Some(flaky.clone());
        let shop = world.open().await?;
        let created = shop.create_one().await;
        eventually("the intent was to be closed", async || {
            flaky.is_spent().then_some(())
        })
        .await;
        world.clock.advance(LEASE);
        no_intent_is_left(&world).await;
        assert_whole(&shop, &created).await;
    }
    Ok(())
}
