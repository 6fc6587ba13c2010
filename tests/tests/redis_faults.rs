//! Proves: orders do not hang on Redis. With two replicas of each service, while Redis is killed,
//! frozen, slow, read-only or full, orders are made at the newest prices and paid, the sweep cancels
//! those that are not, and the order service says so, in its metrics and in its log; when Redis is
//! well again it is used again, by itself. And what a flush forgets, the sweep finds.
//!
//! Where MariaDB or Redis is not installed it is left out, with a clear line.

use anyhow::{bail, ensure};
use api::catalog::v1::{Book, UpdateBookRequest};
use bookstore_e2e::goods::{CANCELLED, Placed, pay_order};
use bookstore_e2e::twice::Twice;
use bookstore_e2e::{Clients, Service, Shop};
use prost_types::FieldMask;
use testkit::eventually;
use testkit::servers::RedisServer;

/// Where the order service keeps deadlines in Redis.
const DEADLINES: &str = "bookstore:{orders}:deadlines";
/// How often an order is made anew that was not paid in time: a busy machine may be slow.
const TRIES: usize = 5;

/// What can be wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Killed,
    Frozen,
    Slow,
    ReadOnly,
    Full,
}

impl Fault {
    const ALL: [Self; 5] = [
        Self::Killed,
        Self::Frozen,
        Self::Slow,
        Self::ReadOnly,
        Self::Full,
    ];

    async fn begin(self, redis: &mut RedisServer) -> anyhow::Result<()> {
        match self {
            Self::Killed => redis.stop(),
            Self::Frozen => redis.freeze(),
            Self::Slow => tell(redis, &["CLIENT", "PAUSE", "600000", "WRITE"]).await,
            Self::ReadOnly => tell(redis, &["REPLICAOF", "127.0.0.1", "1"]).await,
            Self::Full => tell(redis, &["CONFIG", "SET", "maxmemory", "1mb"]).await,
        }
    }

    async fn end(self, redis: &mut RedisServer) -> anyhow::Result<()> {
        match self {
            Self::Killed => redis.restart().await,
            Self::Frozen => redis.thaw(),
            Self::Slow => tell(redis, &["CLIENT", "UNPAUSE"]).await,
            Self::ReadOnly => tell(redis, &["REPLICAOF", "NO", "ONE"]).await,
            Self::Full => tell(redis, &["CONFIG", "SET", "maxmemory", "0"]).await,
        }
    }
}

async fn tell(redis: &RedisServer, words: &[&str]) -> anyhow::Result<()> {
    let said: String = redis.call(words).await?;
    ensure!(said == "OK", "{words:?}: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_on_whatever_is_wrong_with_redis() -> anyhow::Result<()> {
    let settings = [
        ("ORDER__PAYMENT_TIMEOUT", "2s"),
        ("TELEMETRY__LOG", "warn,platform=info"),
    ];
    let Some(mut twice) = Twice::open(&settings).await? else {
        return Ok(());
    };
    let replicas = twice.each()?;
    let copies = 1000;
    let book_id = replicas[0].stocked(1000, copies).await?;
    let mut paid = 0;
    for (fault, price) in Fault::ALL.into_iter().zip(1001..) {
        let told_before = told_of(&twice.replicas, "Redis is away");
        fault.begin(&mut twice.redis).await?;
        set_price(&replicas[0], book_id, price).await?;
        until_ordered_at(&replicas[1], book_id, price).await;
        let unpaid = replicas[0].place(1, &[(book_id, 1)]).await?;
        pay_in_time(&replicas, book_id).await?;
        paid += 1;
        until_up_is(&twice.replicas, 0).await;
        replicas[1].until_order_is(&unpaid.no, CANCELLED).await;
        replicas[1]
            .until_stock_is(book_id, copies - paid, paid)
            .await;
        let told = told_of(&twice.replicas, "Redis is away");
        ensure!(
            told.iter()
                .zip(told_before)
                .all(|(now, before)| *now > before),
            "{fault:?} was not told of"
        );

        fault.end(&mut twice.redis).await?;
        until_up_is(&twice.replicas, 1).await;
        until_deadlines_lie_there(&twice.redis, &replicas[0], book_id).await;
        replicas[1]
            .until_stock_is(book_id, copies - paid, paid)
            .await;
    }
    let told = told_of(&twice.replicas, "Redis is back");
    ensure!(
        told.iter().all(|count| *count >= Fault::ALL.len()),
        "{told:?}"
    );

    let forgotten = replicas[0].place(1, &[(book_id, 1)]).await?;
    twice.redis.flush().await?;
    replicas[1].until_order_is(&forgotten.no, CANCELLED).await;
    replicas[1]
        .until_stock_is(book_id, copies - paid, paid)
        .await;
    twice.expect_clean().await
}

async fn set_price(clients: &Clients, id: u64, price: i64) -> anyhow::Result<()> {
    let book = Some(Book {
        id,
        price,
        ..Book::default()
    });
    let update_mask = Some(FieldMask {
        paths: vec!["price".to_owned()],
    });
    clients
        .done(UpdateBookRequest { book, update_mask })
        .await?;
    Ok(())
}

/// Makes orders until one has the new price; the others expire.
async fn until_ordered_at(clients: &Clients, book_id: u64, price: i64) {
    eventually("an order at the new price", || async {
        let placed = clients.place(1, &[(book_id, 1)]).await.ok()?;
        (placed.total == price).then_some(())
    })
    .await;
}

/// An order of one replica, paid at the other one.
async fn pay_in_time(replicas: &[Clients; 2], book_id: u64) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        let Placed { no, .. } = replicas[0].place(1, &[(book_id, 1)]).await?;
        match replicas[1].call(pay_order(&no)).await?.code {
            0 => return Ok(()),
            40900 => {}
            code => bail!("PayOrder answered {code}"),
        }
    }
    bail!("never in time")
}

/// Waits until both order services say that Redis is up (1) or away (0).
async fn until_up_is(shops: &[Shop; 2], up: i32) {
    let line = format!("bookstore_redis_up{{use=\"order.delay_queue\"}} {up}\n");
    for shop in shops {
        eventually(&line, || async {
            let page = shop.metrics(Service::Order).await.ok()?;
            page.contains(&line).then_some(())
        })
        .await;
    }
}

/// Makes orders until the deadline of one lies in Redis.
async fn until_deadlines_lie_there(redis: &RedisServer, clients: &Clients, book_id: u64) {
    eventually("deadlines in Redis", || async {
        let placed = clients.place(1, &[(book_id, 1)]).await.ok()?;
        let id = placed.id.to_string();
        let due: Option<f64> = redis.call(&["ZSCORE", DEADLINES, &id]).await.ok()?;
        due.map(|_| ())
    })
    .await;
}

/// How often each replica's log says `what` of the deadlines' Redis.
fn told_of(shops: &[Shop; 2], what: &str) -> [usize; 2] {
    shops.each_ref().map(|shop| {
        let log = shop.log();
        let is_it = |line: &&str| line.contains(what) && line.contains("order.delay_queue");
        log.lines().filter(is_it).count()
    })
}
