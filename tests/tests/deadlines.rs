//! Proves: in a storm of orders with 3 s to pay, every unpaid order is cancelled once, its stock is
//! released once, and both in time, by the stamps in the databases: within 2 s after the deadline where
//! deadlines wait in memory or in a healthy Redis, within 10 s where a replica is killed while it
//! cancels, within a minute where Redis is emptied again and again.
//!
//! Where MariaDB or Redis is not installed the replicas are left out, with a clear line.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bookstore_e2e::goods::{CANCELLED, order, pay_order};
use bookstore_e2e::storm::insist;
use bookstore_e2e::twice::Twice;
use bookstore_e2e::{Clients, Layout, Pace, Service, Shop, read_rows};
use futures::future::try_join;
use futures::{StreamExt, TryStreamExt, stream};
use platform::db::DatabaseUrl;
use testkit::eventually;
use testkit::servers::RedisServer;
use types::UnixMillis;

/// How many orders a storm has; every fourth is paid.
const ORDERS: usize = 160;
/// How many are under way at a time.
const AT_ONCE: usize = 16;
/// The promise while all is well.
const PUNCTUAL: Duration = Duration::from_secs(2);
/// The promise where a replica is killed.
const PASSED_ON: Duration = Duration::from_secs(10);
/// The promise where the queue forgets.
const FORGOTTEN: Duration = Duration::from_mins(1);
/// Where the order service keeps deadlines in Redis.
const DEADLINES: &str = "bookstore:{orders}:deadlines";
/// The cause of a cancellation that nobody asked for: it was not paid in time.
const NOT_PAID: i64 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_deadlines_in_memory_none_is_late() -> anyhow::Result<()> {
    let plan = Shop::plan()
        .set("ORDER__PAYMENT_TIMEOUT", "3s")
        .set("PAYMENT__MOCK__SUCCESS_RATE", "1");
    let shop = plan.start(Layout::Together).await?;
    let replicas = [shop.clients()?, shop.clients()?];
    let storm = Storm::gather(&replicas).await?;
    let bought = storm.rage(|_| async { Ok(()) }).await?;
    let databases = [Service::Order, Service::Inventory].map(|service| {
        let file = format!("{}.db", service.name());
        DatabaseUrl::sqlite(shop.data().join(file))
    });
    storm
        .expect_ends(&bought, databases.each_ref(), PUNCTUAL)
        .await?;
    shop.expect_clean().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_deadlines_in_redis_none_is_late() -> anyhow::Result<()> {
    let Some(twice) = two_replicas().await? else {
        return Ok(());
    };
    let replicas = twice.each()?;
    let storm = Storm::gather(&replicas).await?;
    let bought = storm.rage(|_| async { Ok(()) }).await?;
    storm
        .expect_ends(&bought, databases(&twice)?, PUNCTUAL)
        .await?;
    twice.expect_clean().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_that_a_killed_replica_had_claimed_pass_on() -> anyhow::Result<()> {
    let Some(mut twice) = two_replicas().await? else {
        return Ok(());
    };
    let replicas = twice.each()?;
    let storm = Storm::gather(&replicas).await?;
    let orders = twice.database(Service::Order)?.clone();
    let killing = async {
        let begun = "SELECT 1 FROM orders WHERE cancel_cause = 2 LIMIT 1";
        eventually("the first cancellation", || async {
            let rows = read_rows(&orders, begun).await.ok()?;
            rows.first().map(|_| ())
        })
        .await;
        twice.replicas[0].kill_one(Service::Order)
    };
    let (bought, ()) = try_join(storm.rage(|_| async { Ok(()) }), killing).await?;
    storm
        .expect_ends(&bought, databases(&twice)?, PASSED_ON)
        .await?;
    twice.replicas[0].start().await?;
    twice.expect_clean().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_emptied_in_a_storm_loses_no_deadline() -> anyhow::Result<()> {
    let Some(twice) = two_replicas().await? else {
        return Ok(());
    };
    let replicas = twice.each()?;
    let storm = Storm::gather(&replicas).await?;
    let lost = AtomicU64::new(0);
    let flush_now_and_then = |number: usize| {
        let (redis, lost) = (&twice.redis, &lost);
        async move {
            if number % 50 == 40 {
                lost.fetch_add(redis.call(&["ZCARD", DEADLINES]).await?, Ordering::SeqCst);
                RedisServer::flush(redis).await?;
            }
            anyhow::Ok(())
        }
    };
    let bought = storm.rage(flush_now_and_then).await?;
    ensure!(lost.into_inner() > 0, "Redis held no deadlines to lose");
    storm
        .expect_ends(&bought, databases(&twice)?, FORGOTTEN)
        .await?;
    twice.expect_clean().await
}

async fn two_replicas() -> anyhow::Result<Option<Twice>> {
    Twice::open(&[("ORDER__PAYMENT_TIMEOUT", "3s")]).await
}

fn databases(twice: &Twice) -> anyhow::Result<[&DatabaseUrl; 2]> {
    Ok([
        twice.database(Service::Order)?,
        twice.database(Service::Inventory)?,
    ])
}

/// Many who order one book, of whom most do not pay.
struct Storm<'a> {
    replicas: &'a [Clients; 2],
    book_id: u64,
    pace: Pace,
}

/// An order, and whether it was paid in time.
struct Bought {
    order_no: String,
    is_paid: bool,
}

/// How an unpaid order ended.
struct End {
    cause: i64,
    due_at: UnixMillis,
    cancelled_at: UnixMillis,
}

impl<'a> Storm<'a> {
    async fn gather(replicas: &'a [Clients; 2]) -> anyhow::Result<Self> {
        let book_id = replicas[0].stocked(1000, i32::try_from(ORDERS)?).await?;
        Ok(Self {
            replicas,
            book_id,
            pace: Pace::default(),
        })
    }

    /// Makes all orders; `before_each` may disturb.
    async fn rage<F>(&self, before_each: impl Fn(usize) -> F) -> anyhow::Result<Vec<Bought>>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let orders = stream::iter(0..ORDERS).map(|number| {
            let disturbed = before_each(number);
            async move {
                disturbed.await?;
                self.buy(number).await
            }
        });
        let made = orders.buffer_unordered(AT_ONCE).try_collect();
        self.pace.watch(made).await
    }

    async fn buy(&self, number: usize) -> anyhow::Result<Bought> {
        let request = order(1, &[(self.book_id, 1)], &format!("due-{number}"));
        let made = insist(self.replicas, number, request).await?;
        ensure!(made.code == 0, "{made:?}");
        let mut bought = Bought {
            order_no: made.order_no,
            is_paid: false,
        };
        if number.is_multiple_of(4) {
            let paid = insist(self.replicas, number + 1, pay_order(&bought.order_no)).await?;
            // Or the deadline was faster.
            ensure!([0, 40900].contains(&paid.code), "{paid:?}");
            bought.is_paid = paid.code == 0;
        }
        Ok(bought)
    }

    /// Waits for the stock of all that are not paid, and compares every end with the promise.
    async fn expect_ends(
        &self,
        bought: &[Bought],
        [orders, inventory]: [&DatabaseUrl; 2],
        promised: Duration,
    ) -> anyhow::Result<()> {
        let paid = bought.iter().filter(|bought| bought.is_paid).count();
        let (free, reserved) = (i32::try_from(bought.len() - paid)?, i32::try_from(paid)?);
        // Asked at the second replica: the first may be dead.
        let over = self.replicas[1].until_stock_is(self.book_id, free, reserved);
        self.pace.watch(over).await;
        let late_ms_max = i64::try_from(self.pace.stretch(promised).as_millis())?;
        let mut ends = read_ends(orders).await?;
        let mut releases = read_releases(inventory).await?;
        for unpaid in bought.iter().filter(|bought| !bought.is_paid) {
            let no = &unpaid.order_no;
            let end = ends
                .remove(no)
                .with_context(|| format!("{no} not cancelled"))?;
            ensure!(end.cause == NOT_PAID, "{no}: cause {}", end.cause);
            let released = releases.remove(no).unwrap_or_default();
            ensure!(
                released.len() == 1,
                "{no} released {} times",
                released.len()
            );
            for at in [end.cancelled_at, released[0]] {
                let late_ms = at.get() - end.due_at.get();
                ensure!(
                    (0..=late_ms_max).contains(&late_ms),
                    "{no} ended {late_ms} ms late, {late_ms_max} ms allowed"
                );
            }
        }
        ensure!(ends.is_empty(), "others were cancelled, too");
        // What a killed replica was making has no order, and its stock is free again.
        let abandoned = read_rows(orders, "SELECT order_no FROM orders WHERE status = 6").await?;
        for row in abandoned {
            releases.remove(&row.text(0)?);
        }
        ensure!(releases.is_empty(), "others gave stock back: {releases:?}");
        Ok(())
    }
}

/// Every cancelled order by its number. That an order is cancelled once is the history's primary key.
async fn read_ends(orders: &DatabaseUrl) -> anyhow::Result<BTreeMap<String, End>> {
    let sql = "SELECT order_no, cancel_cause, expire_at, moved_at, status FROM orders \
               JOIN order_history ON order_id = orders.id AND to_status = 5";
    let mut ends = BTreeMap::new();
    for row in read_rows(orders, sql).await? {
        ensure!(row.int32(4)? == CANCELLED, "{row:?}");
        let end = End {
            cause: row.int(1)?,
            due_at: row.time(2)?,
            cancelled_at: row.time(3)?,
        };
        ends.insert(row.text(0)?, end);
    }
    Ok(ends)
}

/// When stock was given back, by the number of the order that had held it.
async fn read_releases(
    inventory: &DatabaseUrl,
) -> anyhow::Result<BTreeMap<String, Vec<UnixMillis>>> {
    let sql = "SELECT hold_key, created_at FROM inventory_logs WHERE operation_type = 'release'";
    let mut releases: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in read_rows(inventory, sql).await? {
        let order_no = String::from_utf8(row.bytes(0)?)?;
        releases.entry(order_no).or_default().push(row.time(1)?);
    }
    Ok(releases)
}
