//! Proves, with two catalogs on one database and one Redis: a replica reads what another put into
//! Redis and no more than that; whatever stands in Redis, nobody reads what is outdated; without Redis
//! callers notice nothing.

use std::sync::Arc;

use catalog::{Config, Parts};
use platform::StartError;
use platform::clock::ManualClock;
use platform::config::CacheUrl;
use platform::redis::Redis;
use platform::tasks::Tasks;
use testkit::servers::{RedisServer, redis};
use testkit::{TestDatabase, eventually};

use crate::failures::FaultyStore;
use crate::freshness::{count, until_price};
use crate::harness::{Catalog, NOW, book, deps, get, open, publish, serve_parts, set_price};

/// A catalog whose reads of the database are counted and held up as a test likes.
struct Replica {
    catalog: Catalog,
    store: Arc<FaultyStore>,
}

async fn replica(home: &TestDatabase, server: &RedisServer) -> anyhow::Result<Replica> {
    let store = Arc::new(FaultyStore::over(open(home).await));
    let redis = Redis::connect(&server.parsed_url()?, "catalog.cache").await?;
    let parts = Parts {
        store: store.clone(),
        redis: Some(redis),
    };
    Ok(Replica {
        catalog: serve_parts(parts).await,
        store,
    })
}

impl Replica {
    async fn price(&self, id: u64) -> i64 {
        get(&mut self.catalog.client.clone(), id).await.price
    }

    async fn set_price(&self, id: u64, price: i64) {
        set_price(&mut self.catalog.client.clone(), id, price).await;
    }

    async fn publish(&self, id: u64) {
        publish(
            &mut self.catalog.client.clone(),
            book(id, "三体", "978-7-5366-9293-0"),
        )
        .await;
    }

    async fn publish_titled(&self, id: u64, title: &str) {
        publish(&mut self.catalog.client.clone(), book(id, title, "")).await;
    }

    /// Waits until this replica knows of the book, and reads no book to find out.
    async fn until_heard_of(&self, title: &str) {
        eventually(&format!("{title} is heard of"), async || {
            (count(&mut self.catalog.client.clone(), title).await == 1).then_some(())
        })
        .await;
    }

    async fn until_price(&self, id: u64, price: i64) {
        until_price(&self.catalog.client, id, price).await;
    }
}

/// What stands in Redis: `b1 REVISION JSON`.
async fn value(server: &RedisServer, id: u64) -> Option<String> {
    server
        .call(&["GET", &format!("bookstore:{{books}}:{id}")])
        .await
        .unwrap()
}

async fn put(server: &RedisServer, id: u64, value: &str) -> anyhow::Result<()> {
    let key = format!("bookstore:{{books}}:{id}");
    let _done: String = server.call(&["SET", &key, value]).await?;
    Ok(())
}

/// How often Redis was asked to take books in.
async fn fills(server: &RedisServer) -> u64 {
    let stats: String = server.call(&["INFO", "commandstats"]).await.unwrap();
    let calls = |line: &str| {
        let calls = line.strip_prefix("cmdstat_evalsha:calls=")?;
        calls.split(',').next()?.parse::<u64>().ok()
    };
    stats.lines().find_map(calls).unwrap_or(0)
}

/// Waits until Redis has the book with this revision.
async fn until_revision(server: &RedisServer, id: u64, revision: u64) {
    let start = format!("b1 {revision} ");
    eventually(&format!("Redis has {start}"), async || {
        value(server, id).await?.starts_with(&start).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_replica_reads_from_redis_what_another_wrote_or_read() -> anyhow::Result<()> {
    let Some(server) = redis().await? else {
        return Ok(());
    };
    let home = TestDatabase::new().await?;
    let here = replica(&home, &server).await?;
    here.publish(1).await;
    until_revision(&server, 1, 1).await;

    let there = replica(&home, &server).await?;
    let original = get(&mut here.catalog.client.clone(), 1).await;
    assert_eq!(get(&mut there.catalog.client.clone(), 1).await, original);
    assert_eq!(there.store.loads(), 0, "it came from Redis");
    there.price(1).await;

    // What Redis lost is read from the database, and put back.
    server.flush().await?;
    let third = replica(&home, &server).await?;
    assert_eq!(third.price(1).await, 2300);
    assert_eq!(third.store.loads(), 1);
    until_revision(&server, 1, 1).await;
    let life: i64 = server.call(&["PTTL", "bookstore:{books}:1"]).await?;
    assert!((1..=600_000).contains(&life), "{life}");
    Ok(())
}

#[tokio::test]
async fn every_replica_reads_a_new_price_wherever_it_was_written() -> anyhow::Result<()> {
    let Some(server) = redis().await? else {
        return Ok(());
    };
    let home = TestDatabase::new().await?;
    let (here, there) = (
        replica(&home, &server).await?,
        replica(&home, &server).await?,
    );
    here.publish(1).await;
    there.until_price(1, 2300).await;
    for price in 1..=5 {
        let (writer, reader) = if price % 2 == 0 {
            (&here, &there)
        } else {
            (&there, &here)
        };
        writer.set_price(1, price).await;
        assert_eq!(writer.price(1).await, price, "at once where it was written");
        reader.until_price(1, price).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_slow_reader_cannot_put_an_old_price_back_into_redis() -> anyhow::Result<()> {
    let Some(server) = redis().await? else {
        return Ok(());
    };
    let home = TestDatabase::new().await?;
    for redis_forgets in [false, true] {
        let id = if redis_forgets { 2 } else { 1 };
        let (slow, quick) = (
            replica(&home, &server).await?,
            replica(&home, &server).await?,
        );
        quick.publish_titled(id, &format!("旧{id}")).await;
        slow.until_heard_of(&format!("旧{id}")).await;
        let old = eventually("the book is in Redis", async || value(&server, id).await).await;
        server.flush().await?;

        let gate = slow.store.hold_next_load();
        let mut reader = slow.catalog.client.clone();
        let reading = Tasks::new().run("reader", async move { get(&mut reader, id).await });
        gate.until_reached().await;
        quick.set_price(id, 1).await;
        let new = eventually("the new price is in Redis", async || {
            value(&server, id).await.filter(|new| *new != old)
        })
        .await;
        if redis_forgets {
            // Nothing in Redis can hold the old price back now.
            server.flush().await?;
        }
        // The changes come in their order: with the marker's, the new price has come.
        quick.publish_titled(1000 + id, &format!("记{id}")).await;
        slow.until_heard_of(&format!("记{id}")).await;
        eventually("so that no other fill is under way", async || {
            value(&server, 1000 + id).await
        })
        .await;
        let fills_before = fills(&server).await;
        gate.open();
        assert_eq!(reading.await?.price, 2300, "it asked before the update");
        if redis_forgets {
            let stale = eventually("the old price is in Redis", async || {
                value(&server, id).await
            });
            assert_eq!(stale.await, old);
        } else {
            eventually("the old price came to Redis, too late", async || {
                (fills(&server).await > fills_before).then_some(())
            })
            .await;
            assert_eq!(value(&server, id).await, Some(new.clone()));
        }
        // Whoever has nothing in memory asks Redis, and takes the new price from it or none.
        let third = replica(&home, &server).await?;
        for replica in [&slow, &quick, &third] {
            assert_eq!(replica.price(id).await, 1);
        }
        let loads = if redis_forgets { 2 } else { 1 };
        assert_eq!(
            slow.store.loads(),
            loads,
            "an old price in Redis is not taken"
        );
        if redis_forgets {
            eventually("the new price is in Redis again", async || {
                (value(&server, id).await? == new).then_some(())
            })
            .await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_book_of_ours_in_redis_is_not_answered() -> anyhow::Result<()> {
    let Some(server) = redis().await? else {
        return Ok(());
    };
    let home = TestDatabase::new().await?;
    let here = replica(&home, &server).await?;
    here.publish(1).await;
    until_revision(&server, 1, 1).await;
    let fine = value(&server, 1).await.unwrap_or_default();
    let wrong = [
        fine.replacen("b1 1 ", "b1 2 ", 1),
        fine.replacen("b1 1 ", "b1 0 ", 1),
        fine.replacen("b1", "b9", 1),
        "rubbish".to_owned(),
    ];
    for value in wrong {
        put(&server, 1, &value).await?;
        let replica = replica(&home, &server).await?;
        assert_eq!(replica.price(1).await, 2300);
        assert_eq!(replica.store.loads(), 1, "{value} was not taken");
    }
    // Of a book that was never published nothing is taken at all.
    put(&server, 7, &fine.replacen("\"id\":1", "\"id\":7", 1)).await?;
    let request = api::catalog::v1::GetBookRequest { book_id: 7 };
    let reply = here.catalog.client.clone().get_book(request).await?;
    assert_eq!(reply.into_inner().code, 40400);
    Ok(())
}

#[tokio::test]
async fn what_is_in_redis_is_not_answered_while_changes_cannot_be_followed() -> anyhow::Result<()> {
    let Some(server) = redis().await? else {
        return Ok(());
    };
    let home = TestDatabase::new().await?;
    let (here, cut_off) = (
        replica(&home, &server).await?,
        replica(&home, &server).await?,
    );
    here.publish(1).await;
    cut_off.until_heard_of("三体").await;
    // Now it is in memory: the new price shows only when that is not trusted any more.
    assert_eq!(cut_off.price(1).await, 2300);
    let old = eventually("the book is in Redis", async || value(&server, 1).await).await;
    cut_off.store.break_changes(true);
    here.set_price(1, 1).await;
    cut_off.until_price(1, 1).await;
    // The state that the replica heard of last, and that it must not trust. More than once, since
    // what it reads from the database comes to Redis when it likes.
    for _ in 0..10 {
        put(&server, 1, &old).await?;
        assert_eq!(cut_off.price(1).await, 1);
        until_revision(&server, 1, 2).await;
    }
    cut_off.store.break_changes(false);
    here.set_price(1, 2).await;
    cut_off.until_price(1, 2).await;
    Ok(())
}

#[tokio::test]
async fn callers_do_not_notice_that_redis_is_away() -> anyhow::Result<()> {
    let Some(mut server) = RedisServer::start().await? else {
        return Ok(());
    };
    let home = TestDatabase::new().await?;
    let (here, there) = (
        replica(&home, &server).await?,
        replica(&home, &server).await?,
    );
    here.publish(1).await;
    there.until_price(1, 2300).await;
    server.freeze()?;
    here.set_price(1, 1).await;
    there.until_price(1, 1).await;
    server.thaw()?;
    server.stop()?;
    there.set_price(1, 2).await;
    assert_eq!(there.price(1).await, 2);
    here.until_price(1, 2).await;

    server.restart().await?;
    eventually("books are put into Redis again", async || {
        here.set_price(1, 3).await;
        value(&server, 1).await
    })
    .await;
    there.until_price(1, 3).await;
    Ok(())
}

#[tokio::test]
async fn a_redis_out_of_reach_stops_the_start_and_is_named() -> anyhow::Result<()> {
    let home = TestDatabase::new().await?;
    let url = "redis://:s3cret@127.0.0.1:1".parse();
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        database: home.url().clone(),
        cache: CacheUrl::Redis(url.map_err(anyhow::Error::msg)?),
    };
    let started = catalog::start(config, deps(&ManualClock::new(NOW))).await;
    let Err(StartError::Config { key, reason }) = started else {
        anyhow::bail!("nobody listens there");
    };
    assert_eq!(key, "catalog.cache");
    assert!(reason.starts_with("redis://:***@127.0.0.1:1: "), "{reason}");
    Ok(())
}
