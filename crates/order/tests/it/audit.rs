//! Proves that the audit reads every order with all that belongs to it, finds a sound database
//! sound, sees what was tampered with, and that parked tasks can be woken by command.

use std::time::Duration;

use order::audit::{
    Fault, OrderRecord, find_faults, is_running, read_feed_cursor, read_orders, read_tasks,
};
use order::store::MIGRATIONS;
use platform::args;
use platform::clock::Clock;
use platform::db::{Database, DatabaseOptions};
use testkit::eventually;
use types::{OrderId, UnixMillis};

use crate::fakes::Act;
use crate::shop::Shop;

/// A shop, beside which the audit reads.
struct Audited {
    shop: Shop,
    database: Database,
}

impl Audited {
    async fn open() -> anyhow::Result<Self> {
        let shop = Shop::new().await?;
        let database = Database::open_read_only(shop.world.database.url())?;
        Ok(Self { shop, database })
    }

    async fn records(&self, page_len: u32) -> anyhow::Result<Vec<OrderRecord>> {
        let mut records: Vec<OrderRecord> = Vec::new();
        loop {
            let after = records.last().map(|record| record.order.id);
            let page = read_orders(&self.database, after, page_len).await?;
            if page.is_empty() {
                return Ok(records);
            }
            records.extend(page);
        }
    }

    async fn faults(&self) -> anyhow::Result<Vec<(u64, Fault)>> {
        let now = self.shop.world.clock.now();
        let mut faults = Vec::new();
        for record in self.records(100).await? {
            let id = record.order.id.get();
            faults.extend(
                find_faults(&record, now)
                    .into_iter()
                    .map(|fault| (id, fault)),
            );
        }
        Ok(faults)
    }

    async fn tamper(&self, sql: &'static str) -> anyhow::Result<()> {
        let url = self.shop.world.database.url();
        let database = Database::open(url, MIGRATIONS, DatabaseOptions::default()).await?;
        database
            .write("tamper", move |tx| {
                Box::pin(async move { tx.execute(sql, args![]).await.map(drop) })
            })
            .await?;
        database.close().await;
        Ok(())
    }
}

#[tokio::test]
async fn a_sound_database_is_read_whole_and_found_sound() -> anyhow::Result<()> {
    let audited = Audited::open().await?;
    let shop = &audited.shop;
    shop.create_one().await;
    let paid = shop.create_paid().await;
    let shipped = shop.create_paid().await;
    shop.ship(&shipped.order_no).await?;
    let cancelled = shop.create_paid().await;
    shop.cancel(&cancelled.order_no).await?;
    shop.create(&[(1, 1_000)], "").await?;
    shop.world.settle().await;
    eventually("the feed is followed", async || {
        let cursor = read_feed_cursor(&audited.database).await.unwrap();
        (cursor == shop.world.payment.events()).then_some(())
    })
    .await;

    assert_eq!(audited.faults().await?, []);
    let records = audited.records(2).await?;
    assert_eq!(records.len(), 4);
    assert_eq!(
        records,
        audited.records(100).await?,
        "page by page is the same"
    );
    let holds: Vec<_> = records.iter().map(OrderRecord::holds_stock).collect();
    assert_eq!(holds, [true, true, false, false]);
    let paying: Vec<_> = records.iter().map(OrderRecord::is_paid).collect();
    assert_eq!(paying, [false, true, true, false]);
    assert_eq!(records[1].order.order_no.as_str(), paid.order_no);
    assert_eq!(records[1].items.len(), 2);
    assert_eq!(records[3].history.len(), 2);
    assert!(read_tasks(&audited.database).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn tampering_is_seen() -> anyhow::Result<()> {
    let audited = Audited::open().await?;
    for _ in 0..4 {
        audited.shop.create_paid().await;
    }
    audited
        .tamper("UPDATE order_items SET price = price + 1 WHERE order_id = 1 AND id = 1")
        .await?;
    audited
        .tamper("DELETE FROM order_history WHERE order_id = 2")
        .await?;
    audited
        .tamper("UPDATE orders SET payment_no = NULL WHERE id = 3")
        .await?;
    audited
        .tamper("DELETE FROM order_items WHERE order_id = 4")
        .await?;
    let faults = audited.faults().await?;
    let ids: Vec<_> = faults.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 2, 3, 4], "{faults:?}");
    Ok(())
}

#[tokio::test]
async fn parked_tasks_are_shown_and_woken_by_command() -> anyhow::Result<()> {
    let audited = Audited::open().await?;
    let world = &audited.shop.world;
    let created = audited.shop.create_one().await;
    world.inventory.releases.always(Act::Refuse(40901));
    audited.shop.cancel(&created.order_no).await?;
    let parked = eventually("the release is parked", async || {
        world.clock.advance(Duration::from_secs(1));
        let tasks = read_tasks(&audited.database).await.unwrap();
        tasks.into_iter().find(|task| task.parked)
    })
    .await;
    assert_eq!(parked.key.order_id, OrderId::new(created.order_id).unwrap());

    world.inventory.releases.always(Act::Serve);
    let url = world.database.url();
    let database = Database::open(url, MIGRATIONS, DatabaseOptions::default()).await?;
    assert_eq!(
        order::resume_parked_tasks(database.clone(), world.clock.now()).await?,
        1
    );
    world.settle().await;
    assert_eq!(world.inventory.free(1), 100);
    assert_eq!(
        order::resume_parked_tasks(database, world.clock.now()).await?,
        0
    );
    assert!(read_tasks(&audited.database).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_service_may_be_running_until_another_replica_must_have_taken_the_lease()
-> anyhow::Result<()> {
    let folder = testkit::temp_dir()?;
    let url = format!("sqlite://{}/order.db", folder.path().display());
    let url = url.parse().map_err(anyhow::Error::msg)?;
    let database = Database::open(&url, MIGRATIONS, DatabaseOptions::default()).await?;
    let ran_out = UnixMillis::new(1_700_000_000_000);
    anyhow::ensure!(!is_running(&database, ran_out).await?, "nobody ever was");
    database
        .write("die with the lease", move |tx| {
            Box::pin(async move {
                let insert = "INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?)";
                tx.execute(insert, args!["follow_payments", "dead", ran_out])
                    .await
            })
        })
        .await?;
    for (later, expected) in [(0, true), (5_999, true), (6_000, false)] {
        let now = ran_out.plus(Duration::from_millis(later));
        let seen = is_running(&database, now).await?;
        anyhow::ensure!(seen == expected, "{later} ms after the lease ran out");
    }
    database.close().await;
    Ok(())
}
