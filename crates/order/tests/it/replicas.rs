//! Proves that replicas on one database share the work: numbers never collide, lists go by time, a key makes one
//! order; and of one replica, that many buyers get exactly what there is and that a restart loses nothing.

use std::time::Duration;

use api::order::v1::ListOrdersRequest;
use futures::future::join_all;

use crate::fakes::Act;
use crate::shop::World;

#[tokio::test]
async fn numbers_never_collide_and_a_key_makes_one_order() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.inventory.restock(1, 1_000);
    let replicas = [world.open().await?, world.open().await?];
    for round in 0..20 {
        let key = format!("k{round}");
        let twins = replicas
            .iter()
            .flat_map(|shop| (0..4).map(|_| shop.create(&[(1, 1)], &key)));
        let alone = replicas.iter().map(|shop| shop.create(&[(1, 1)], ""));
        let (twins, alone) = tokio::join!(join_all(twins), join_all(alone));
        let twins: Vec<_> = twins.into_iter().collect::<Result<_, _>>()?;
        assert!(
            twins.iter().all(|twin| twin.code == 0 && *twin == twins[0]),
            "{twins:?}"
        );
        let alone: Vec<_> = alone.into_iter().collect::<Result<_, _>>()?;
        assert_ne!(alone[0].order_no, alone[1].order_no);
    }
    assert_eq!(world.inventory.held_in_all(), 20 * 3);
    for shop in replicas {
        shop.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn whoever_lists_sees_the_newest_first_whichever_replica_made_it() -> anyhow::Result<()> {
    let world = World::new().await?;
    let [first, second] = [world.open().await?, world.open().await?];
    let mut made = Vec::new();
    // The second to write takes the higher ids, and keeps them for later.
    for shop in [&first, &second, &second, &first, &second, &first] {
        made.push(shop.create_one().await.order_no);
        world.clock.advance(Duration::from_millis(1));
    }
    made.reverse();
    for user_id in [1, 0] {
        let request = ListOrdersRequest {
            user_id,
            ..ListOrdersRequest::default()
        };
        let listed = first
            .client
            .clone()
            .list_orders(request)
            .await?
            .into_inner();
        let listed: Vec<_> = listed.orders.into_iter().map(|one| one.order_no).collect();
        assert_eq!(listed, made, "of user {user_id}");
    }
    for shop in [first, second] {
        shop.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_twin_that_took_the_last_copies_elsewhere_is_no_reason_to_refuse() -> anyhow::Result<()> {
    let world = World::new().await?;
    let [here, there] = [world.open().await?, world.open().await?];
    // From now on it looks before it writes anything down.
    assert_eq!(there.create(&[(1, 101)], "").await?.code, 40100);
    world.inventory.reads.next([Act::Delay]);
    let twin = async {
        world.inventory.looking.notified().await;
        let first = here.create(&[(1, 100)], "k").await;
        world.inventory.go_on.notify_one();
        first
    };
    let (first, second) = tokio::join!(twin, there.create(&[(1, 100)], "k"));
    let (first, second) = (first?, second?);
    assert_eq!((first.code, &second), (0, &first));
    assert_eq!(world.inventory.held_in_all(), 100);
    for shop in [here, there] {
        shop.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn sixty_four_buyers_of_a_hundred_books_get_exactly_a_hundred() -> anyhow::Result<()> {
    let world = World::new().await?;
    let shop = world.open().await?;
    let buyers = (0..64).map(async |_| {
        let mut bought = Vec::new();
        for _ in 0..3 {
            let answer = shop.create(&[(1, 1)], "").await.unwrap();
            match answer.code {
                0 => bought.push(answer.order_no),
                40100 => {}
                code => panic!("{code} {}", answer.message),
            }
        }
        bought
    });
    let bought: Vec<_> = join_all(buyers).await.into_iter().flatten().collect();
    assert_eq!(bought.len(), 100);
    assert_eq!(world.inventory.free(1), 0);
    for order_no in &bought {
        assert_eq!(world.inventory.held(order_no), 1);
    }
    shop.close().await
}

#[tokio::test]
async fn a_restart_loses_nothing() -> anyhow::Result<()> {
    let world = World::new().await?;
    let shop = world.open().await?;
    let kept = shop.create(&[(1, 1)], "k").await?;
    let paid = shop.create_paid().await;
    let before = [
        shop.get(&kept.order_no).await?,
        shop.get(&paid.order_no).await?,
    ];
    shop.close().await?;

    let shop = world.open().await?;
    assert_eq!(
        [
            shop.get(&kept.order_no).await?,
            shop.get(&paid.order_no).await?
        ],
        before
    );
    assert_eq!(shop.create(&[(1, 1)], "k").await?, kept);
    assert_eq!(shop.cancel(&paid.order_no).await?.code, 0);
    assert_eq!(world.payment.status(paid.order_id), 3);
    shop.close().await
}
