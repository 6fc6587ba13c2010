//! Proves that orders do not hang on Redis: whether it is well, flushed, killed or frozen, orders are
//! made and paid, and the unpaid ones end at their deadline, each once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use order::delay_queue::RedisQueue;
use testkit::eventually;
use testkit::servers::{RedisServer, redis};

use crate::shop::{PAYMENT_TIMEOUT, Shop, World};

/// A world whose deadlines lie in Redis.
async fn world_on(server: &RedisServer) -> anyhow::Result<World> {
    let mut world = World::new().await?;
    world.queue = Arc::new(RedisQueue::connect(&server.parsed_url()?).await?);
    Ok(world)
}

/// Another replica, with a connection of its own.
async fn replica_on(server: &RedisServer, world: &World) -> anyhow::Result<Shop> {
    let mut world = world.clone();
    world.queue = Arc::new(RedisQueue::connect(&server.parsed_url()?).await?);
    world.open().await
}

/// One order of one book from each replica in turn, all at once.
async fn storm(replicas: &[Shop], orders: usize) -> Vec<String> {
    let made = replicas.iter().cycle().take(orders).map(async |shop| {
        let created = shop.create(&[(1, 1)], "").await.unwrap();
        assert_eq!(created.code, 0, "{}", created.message);
        created.order_no
    });
    join_all(made).await
}

/// Waits until all of `orders` are cancelled, and checks that each gave its stock back once; `held`
/// copies stay with others.
async fn all_end_once(shop: &Shop, orders: &[String], held: i32) {
    for order in orders {
        shop.becomes(order, 5).await;
    }
    let inventory = &shop.world.inventory;
    eventually("all stock is back", async || {
        (inventory.held_in_all() == held).then_some(())
    })
    .await;
    for order in orders {
        assert_eq!(inventory.releases_of(order), 1, "{order}");
    }
}

#[tokio::test]
async fn a_healthy_queue_is_enough_without_any_sweep() -> anyhow::Result<()> {
    let Some(server) = redis().await? else {
        return Ok(());
    };
    let mut world = world_on(&server).await?;
    // The first sweep finds nothing, and there is no second.
    world.timing.sweep_every = Duration::from_hours(1);
    let replicas = [world.open().await?, replica_on(&server, &world).await?];
    let orders = storm(&replicas, 40).await;
    let paid = replicas[0].create_paid().await.order_no;
    world.clock.advance(PAYMENT_TIMEOUT);
    all_end_once(&replicas[1], &orders, 3).await;
    assert_eq!(replicas[1].status(&paid).await, 2);
    eventually("nothing is left in Redis", async || {
        let left: u64 = server.call(&["DBSIZE"]).await.ok()?;
        let probe: u64 = server.call(&["EXISTS", "bookstore:{probe}"]).await.ok()?;
        (left == probe).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_flush_in_a_storm_of_orders_loses_no_deadline() -> anyhow::Result<()> {
    let Some(server) = redis().await? else {
        return Ok(());
    };
    let world = world_on(&server).await?;
    let replicas = [world.open().await?, replica_on(&server, &world).await?];
    let before = storm(&replicas, 30).await;
    let (during, flushed) = tokio::join!(storm(&replicas, 30), server.flush());
    flushed?;
    let after = storm(&replicas, 30).await;
    server.flush().await?;
    world.clock.advance(PAYMENT_TIMEOUT);
    let orders = [before, during, after].concat();
    all_end_once(&replicas[0], &orders, 0).await;
    Ok(())
}

#[tokio::test]
async fn orders_go_on_while_redis_is_killed_and_after_it() -> anyhow::Result<()> {
    let Some(mut server) = RedisServer::start().await? else {
        return Ok(());
    };
    let world = world_on(&server).await?;
    let replicas = [world.open().await?, replica_on(&server, &world).await?];
    let mut orders = storm(&replicas, 20).await;
    server.stop()?;
    orders.extend(storm(&replicas, 20).await);
    let paid = replicas[0].create_one().await.order_no;
    assert_eq!(replicas[1].pay(&paid).await?.code, 0);
    assert_eq!(replicas[0].ship(&paid).await?.code, 0);
    world.clock.advance(PAYMENT_TIMEOUT);
    all_end_once(&replicas[0], &orders, 0).await;

    server.restart().await?;
    let late = replicas[0].create_one().await.order_no;
    eventually("deadlines lie in Redis again", async || {
        let created = replicas[0].create(&[(2, 1)], "").await.ok()?;
        let queue = ["ZCARD", "bookstore:{orders}:deadlines"];
        let waiting: u64 = server.call(&queue).await.ok()?;
        (created.code == 0 && waiting > 0).then_some(())
    })
    .await;
    world.clock.advance(PAYMENT_TIMEOUT);
    replicas[1].becomes(&late, 5).await;
    Ok(())
}

#[tokio::test]
async fn orders_go_on_while_redis_is_frozen() -> anyhow::Result<()> {
    let Some(mut server) = RedisServer::start().await? else {
        return Ok(());
    };
    let world = world_on(&server).await?;
    let replicas = [world.open().await?, replica_on(&server, &world).await?];
    let mut orders = storm(&replicas, 20).await;
    server.freeze()?;
    orders.extend(storm(&replicas, 20).await);
    let paid = replicas[0].create_one().await.order_no;
    assert_eq!(replicas[1].pay(&paid).await?.code, 0);
    assert_eq!(replicas[0].ship(&paid).await?.code, 0);
    world.clock.advance(PAYMENT_TIMEOUT);
    all_end_once(&replicas[0], &orders, 0).await;
    // What the frozen server still had is old news, and harms nobody.
    server.thaw()?;
    let late = replicas[0].create_one().await.order_no;
    world.clock.advance(PAYMENT_TIMEOUT);
    orders.push(late);
    all_end_once(&replicas[1], &orders, 0).await;
    Ok(())
}
