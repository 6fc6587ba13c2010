//! Creators that die, hang up or come too late; repeats that meet them.

use super::*;

#[tokio::test]
async fn a_creation_whose_creator_died_is_called_off_when_its_lease_runs_out() -> anyhow::Result<()>
{
    let world = World::new().await?;
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

#[tokio::test]
async fn a_slow_creator_and_recovery_cannot_both_win() -> anyhow::Result<()> {
    let mut world = World::new().await?;
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
    let (status, ()) = tokio::join!(shop.create(&[(1, 2)], "k"), recovery);
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
    assert_clean_slate(&world).await;
    Ok(())
}

#[tokio::test]
async fn a_repeat_waits_for_the_first_request_on_another_replica() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    let (id, order_no) = leave_unfinished(&world, Some("k")).await;
    let watched = Arc::new(FlakyStore::over(Arc::clone(&world.store)));
    world.replica_store = Some(watched.clone());
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
    let world = World::new().await?;
    let (_, dead) = leave_unfinished(&world, Some("k")).await;
    let shop = world.open().await?;
    // On a machine that is too busy a deadline may be first, the client's or the service's; it asks
    // again then.
    let status = eventually("the service answers in time", async || {
        let request = within(
            Duration::from_millis(1500),
            create_request(1, &[(1, 2), (2, 1)], "k"),
        );
        let status = shop.client.clone().create_order(request).await.unwrap_err();
        let is_late = matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded);
        (!is_late).then_some(status)
    })
    .await;
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

#[tokio::test]
async fn what_recovery_abandons_is_given_back_once_also_when_it_is_told_twice() -> anyhow::Result<()>
{
    let world = World::new().await?;
    let (id, order_no) = leave_unfinished(&world, None).await;
    world.inventory.hold(order_no.as_str(), &[(1, 2), (2, 1)]);
    let at = world.clock.now().plus(LEASE);
    let stamp = Stamp {
        at,
        tasks_due_at: at,
    };
    let abandon = || Op::Abandon {
        id,
        by: AbandonedBy::Recovery,
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
