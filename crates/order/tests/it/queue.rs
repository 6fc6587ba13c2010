//! Proves, for every kind of delay queue: deadlines come when they are due and soonest first; nobody
//! gets what another has claimed while the claim's lease runs; what was not taken out comes back.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use order::delay_queue::{DelayQueue, EmbeddedQueue, QueueError, RedisQueue};
use order::store::DueOrder;
use testkit::eventually;
use testkit::servers::{RedisServer, redis};
use types::{OrderId, UnixMillis};

const LEASE: Duration = Duration::from_millis(100);
/// Where the deadlines lie in Redis.
const KEY: &str = "bookstore:{orders}:deadlines";

fn order(id: u64) -> OrderId {
    OrderId::new(id).unwrap()
}

fn entry(due_at: i64, id: u64) -> DueOrder {
    let due_at = UnixMillis::new(due_at);
    DueOrder {
        due_at,
        id: order(id),
    }
}

async fn claim(queue: &dyn DelayQueue, now: i64, limit: usize) -> Vec<u64> {
    let claimed = queue.claim_due(UnixMillis::new(now), limit, LEASE).await;
    claimed.unwrap().into_iter().map(OrderId::get).collect()
}

async fn deadlines_come_when_they_are_due_soonest_first(queue: Arc<dyn DelayQueue>) {
    let entries = [entry(30, 1), entry(10, 2), entry(20, 3)];
    queue.schedule(&entries).await.unwrap();
    assert!(claim(&*queue, 9, 10).await.is_empty());
    assert_eq!(claim(&*queue, 20, 1).await, [2]);
    assert_eq!(claim(&*queue, 20, 10).await, [3]);
    queue.schedule(&[]).await.unwrap();
    queue.remove(&[]).await.unwrap();
}

async fn all_that_come_at_once_are_put_in(queue: Arc<dyn DelayQueue>) {
    let arrive = |id| {
        let queue = Arc::clone(&queue);
        async move { queue.schedule(&[entry(10, id)]).await }
    };
    for arrived in join_all((1..=300).map(arrive)).await {
        arrived.unwrap();
    }
    let mut claimed = claim(&*queue, 10, 1_000).await;
    claimed.sort_unstable();
    assert_eq!(claimed, (1..=300).collect::<Vec<u64>>());
}

async fn what_was_claimed_and_not_taken_out_comes_back(queue: Arc<dyn DelayQueue>) {
    queue.schedule(&[entry(10, 1), entry(10, 2)]).await.unwrap();
    assert_eq!(claim(&*queue, 10, 10).await, [1, 2]);
    queue.remove(&[order(1), order(3)]).await.unwrap();
    assert!(claim(&*queue, 109, 10).await.is_empty(), "the lease runs");
    assert_eq!(claim(&*queue, 110, 10).await, [2]);
}

async fn a_deadline_that_moves_is_there_once(queue: Arc<dyn DelayQueue>) {
    queue.schedule(&[entry(10, 1)]).await.unwrap();
    queue.schedule(&[entry(50, 1)]).await.unwrap();
    assert!(claim(&*queue, 49, 10).await.is_empty());
    assert_eq!(claim(&*queue, 50, 10).await, [1]);
    queue.remove(&[order(1)]).await.unwrap();
    assert!(claim(&*queue, 10_000, 10).await.is_empty());
}

async fn many_are_scheduled_claimed_and_removed_at_once(queue: Arc<dyn DelayQueue>) {
    let entries: Vec<_> = (1..=1_300).map(|id| entry(10, id)).collect();
    queue.schedule(&entries).await.unwrap();
    let claims = (0..20).map(|_| claim(&*queue, 10, 100));
    let mut claimed: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    claimed.sort_unstable();
    let all: Vec<u64> = (1..=1_300).collect();
    assert_eq!(claimed, all, "each to one claimer");
    let orders: Vec<_> = all.into_iter().map(order).collect();
    queue.remove(&orders).await.unwrap();
    assert!(claim(&*queue, 10_000, 10).await.is_empty());
}

async fn the_largest_numbers_are_kept_exactly(queue: Arc<dyn DelayQueue>) {
    let (late, id) = (253_402_300_799_999, types::ID_MAX);
    queue.schedule(&[entry(late, id)]).await.unwrap();
    assert!(claim(&*queue, late - 1, 10).await.is_empty());
    assert_eq!(claim(&*queue, late, 10).await, [id]);
}

macro_rules! on_every_queue {
    ($($test:ident)+) => {
        mod embedded {
            $(#[tokio::test]
            async fn $test() {
                super::$test(std::sync::Arc::new(super::EmbeddedQueue::new())).await;
            })+
        }

        mod redis {
            $(#[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                let Some(server) = super::redis().await? else {
                    return Ok(());
                };
                let queue = super::RedisQueue::connect(&server.parsed_url()?).await?;
                super::$test(std::sync::Arc::new(queue)).await;
                Ok(())
            })+
        }
    };
}
on_every_queue! {
    deadlines_come_when_they_are_due_soonest_first
    all_that_come_at_once_are_put_in
    what_was_claimed_and_not_taken_out_comes_back
    a_deadline_that_moves_is_there_once
    many_are_scheduled_claimed_and_removed_at_once
    the_largest_numbers_are_kept_exactly
}

#[tokio::test]
async fn replicas_share_what_is_in_redis() -> anyhow::Result<()> {
    let Some(server) = redis().await? else {
        return Ok(());
    };
    let url = server.parsed_url()?;
    let (here, there) = (
        RedisQueue::connect(&url).await?,
        RedisQueue::connect(&url).await?,
    );
    let entries: Vec<_> = (1..=1_000).map(|id| entry(10, id)).collect();
    here.schedule(&entries).await?;
    let claims = (0..20).map(|round| {
        let queue = if round % 2 == 0 { &here } else { &there };
        claim(queue, 10, 50)
    });
    let mut claimed: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    claimed.sort_unstable();
    assert_eq!(claimed, (1..=1_000).collect::<Vec<u64>>());
    assert!(claim(&there, 109, 10).await.is_empty());
    assert_eq!(
        claim(&there, 110, 1_000).await.len(),
        1_000,
        "leases ran out"
    );
    Ok(())
}

#[tokio::test]
async fn members_that_are_no_orders_are_thrown_out() -> anyhow::Result<()> {
    let Some(server) = redis().await? else {
        return Ok(());
    };
    let queue = RedisQueue::connect(&server.parsed_url()?).await?;
    queue.schedule(&[entry(10, 7)]).await?;
    for stray in ["rubbish", "07", "-1", "9007199254740993"] {
        let _added: u64 = server.call(&["ZADD", KEY, "5", stray]).await?;
    }
    let not_text = r"return redis.call('ZADD', KEYS[1], 5, '\255')";
    let _added: u64 = server.call(&["EVAL", not_text, "1", KEY]).await?;
    assert_eq!(claim(&queue, 10, 10).await, [7]);
    let left: Vec<String> = server.call(&["ZRANGE", KEY, "0", "-1"]).await?;
    assert_eq!(left, ["7"]);
    Ok(())
}

#[tokio::test]
async fn a_queue_that_was_flushed_or_restarted_takes_deadlines_again() -> anyhow::Result<()> {
    let Some(mut server) = RedisServer::start().await? else {
        return Ok(());
    };
    let queue = RedisQueue::connect(&server.parsed_url()?).await?;
    queue.schedule(&[entry(10, 1)]).await?;
    // Scripts go with the data; the claim brings its own again.
    server.flush().await?;
    let _done: String = server.call(&["SCRIPT", "FLUSH"]).await?;
    assert!(claim(&queue, 10, 10).await.is_empty());

    server.stop()?;
    let lost: Result<(), QueueError> = queue.schedule(&[entry(10, 2)]).await;
    assert!(lost.is_err());
    server.restart().await?;
    eventually("the queue takes deadlines again", async || {
        queue.schedule(&[entry(10, 3)]).await.ok()
    })
    .await;
    assert_eq!(claim(&queue, 10, 10).await, [3]);
    Ok(())
}
