//! The other services failing at each step, of orders without a key and under one: the log is an intent, or
//! the order's row.

use super::*;

const KEYS: [&str; 2] = ["", "k"];

#[tokio::test]
async fn a_deduction_without_an_answer_is_asked_again_and_takes_nothing_twice() -> anyhow::Result<()>
{
    let scripts: [&[Act]; 6] = [
        &[Act::LoseRequest],
        &[Act::LoseReply],
        &[Act::ReplyLate],
        &[Act::Delay],
        &[Act::LoseRequest, Act::LoseReply],
        &[Act::Delay, Act::LoseReply],
    ];
    for (script, key) in scripts
        .iter()
        .flat_map(|script| KEYS.map(|key| (script, key)))
    {
        let shop = Shop::new().await?;
        shop.world.inventory.deducts.next(script.iter().copied());
        let created = shop.create(&[(1, 2), (2, 1)], key).await?;
        assert_whole(&shop, &created).await;
        assert_eq!(shop.world.inventory.deducts.calls(), script.len() + 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_deduction_that_is_never_answered_is_called_off() -> anyhow::Result<()> {
    let acts = [Act::LoseRequest, Act::LoseReply, Act::Delay];
    for (act, key) in acts.into_iter().flat_map(|act| KEYS.map(|key| (act, key))) {
        let shop = Shop::new().await?;
        shop.world.inventory.deducts.always(act);
        let status = shop.create(&[(1, 2), (2, 1)], key).await.unwrap_err();
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
    for key in KEYS {
        let shop = Shop::new().await?;
        shop.world.inventory.deducts.always(Act::Hang);
        let request = within(
            Duration::from_millis(500),
            create_request(1, &[(1, 2)], key),
        );
        let status = shop.client.clone().create_order(request).await.unwrap_err();
        assert!(ran_late(&status), "{status:?}");
        assert_clean_slate(&shop.world).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_twin_with_more_patience_goes_on_where_the_first_one_ended() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.inventory.deducts.next([Act::Hang]);
    let request = |wait| within(wait, create_request(1, &[(1, 2), (2, 1)], "k"));
    let (mut hasty, mut patient) = (shop.client.clone(), shop.client.clone());
    let first = hasty.create_order(request(Duration::from_secs(1)));
    let second = async {
        eventually("the first is at it", async || {
            (shop.world.inventory.deducts.calls() == 1).then_some(())
        })
        .await;
        patient.create_order(request(Duration::from_secs(30))).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(ran_late(&first.unwrap_err()));
    assert_whole(&shop, &second?.into_inner()).await;
    Ok(())
}

#[tokio::test]
async fn too_little_stock_for_certain_leaves_no_trace() -> anyhow::Result<()> {
    for key in KEYS {
        let shop = Shop::new().await?;
        assert_eq!(shop.create(&[(1, 1), (2, 101)], key).await?.code, 40100);
        assert!(shop.world.row("ORD20261122134405000001").await.is_none());
        assert_eq!(
            shop.world.inventory.releases.calls(),
            0,
            "there was nothing to give back"
        );
        assert_clean_slate(&shop.world).await;
    }
    Ok(())
}

#[tokio::test]
async fn too_little_stock_after_a_try_in_doubt_is_fenced() -> anyhow::Result<()> {
    for key in KEYS {
        let shop = Shop::new().await?;
        shop.world.inventory.deducts.next([Act::Delay]);
        assert_eq!(shop.create(&[(1, 101)], key).await?.code, 40100);
        let row = shop.world.row("ORD20261122134405000001").await.unwrap();
        assert_eq!(row.order.stage, Stage::Abandoned);
        shop.world.settle().await;
        // Now the first try arrives, and finds enough.
        shop.world.inventory.restock(1, 50);
        assert_eq!(shop.world.inventory.deliver_delayed(), [40904]);
        assert_eq!(shop.world.inventory.held_in_all(), 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_of_another_kind_is_50002_and_nothing_is_held() -> anyhow::Result<()> {
    for doubt in [&[][..], &[Act::LoseReply], &[Act::Delay]] {
        let refusals = [Act::Refuse(40901), Act::Reject];
        for (refusal, key) in refusals
            .into_iter()
            .flat_map(|act| KEYS.map(|key| (act, key)))
        {
            let shop = Shop::new().await?;
            shop.world
                .inventory
                .deducts
                .next(doubt.iter().copied().chain([refusal]));
            let refused = shop.create(&[(1, 2)], key).await?;
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
    for key in KEYS {
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
        shop.create(&[(1, 2)], key).await.unwrap_err();
        assert_clean_slate(&shop.world).await;
        assert!(shop.world.inventory.releases.calls() > trouble.len());
    }
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
    for key in KEYS {
        hang_up_under(key).await?;
    }
    Ok(())
}

async fn hang_up_under(key: &str) -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world
        .inventory
        .deducts
        .next([Act::LoseRequest, Act::LoseReply]);
    let asked = eventually("the deduction is asked for", async || {
        (shop.world.inventory.deducts.calls() > 0).then_some(())
    });
    tokio::select! {
        _ = shop.create(&[(1, 2), (2, 1)], key) => panic!("answered too early"),
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
