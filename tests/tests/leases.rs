//! Proves: what a killed replica held passes on to the other one within 10 s, by the stamps in the
//! databases: the lease of the payment feed, a task that it was carrying out, an order that it was
//! making, under a key and without one, and a payment about which it was asking the gateway.
//! (Deadlines that it had claimed: `deadlines.rs`.)
//!
//! Where MariaDB or Redis is not installed all of it is left out, with a clear line.

use std::time::Duration;

use anyhow::{Context, ensure};
use bookstore_e2e::goods::{PAID, Placed, cancel, order, pay};
use bookstore_e2e::storm::insist;
use bookstore_e2e::twice::Twice;
use bookstore_e2e::{Pace, Service, read_rows};
use futures::future::{join, join3};
use platform::clock::{Clock, SystemClock};
use platform::db::{DatabaseUrl, Row};
use testkit::eventually;
use types::UnixMillis;

/// The promise.
const PASSES_ON_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_order_service_held_passes_on() -> anyhow::Result<()> {
    let Some(mut twice) = Twice::open(&[]).await? else {
        return Ok(());
    };
    let [first, second] = twice.each()?;
    let book_id = first.stocked(1000, 10).await?;
    let paid = first.place(1, &[(book_id, 1)]).await?;
    let cancelled = first.place(1, &[(book_id, 1)]).await?;
    let half_made = order(2, &[(book_id, 1)], "half-made");

    let follower = have_the_first_follow(&mut twice).await?;
    signal_inventory(&twice, "STOP")?;
    let orders = twice.database(Service::Order)?.clone();
    let killing = async {
        // It holds all three now, and inventory answers nobody.
        until_there_is_one(&orders, "SELECT 1 FROM orders WHERE status = 0").await;
        until_there_is_one(&orders, "SELECT 1 FROM order_tasks").await;
        ensure!(follower_of(&orders).await? == Some(follower.clone()));
        twice.replicas[0].kill_one(Service::Order)?;
        Ok(SystemClock.now())
    };
    let making = first.call(half_made.clone());
    let cancelling = first.call(cancel(&cancelled.no));
    let (made, called_off, killed_at) = join3(making, cancelling, killing).await;
    ensure!(
        made.is_err() && called_off.is_err(),
        "answered before the kill"
    );
    let killed_at = killed_at?;
    signal_inventory(&twice, "CONT")?;

    let pace = Pace::default();
    let taking_over = async {
        second.charge_until_accepted(paid.id, paid.total).await?;
        second.until_order_is(&paid.no, PAID).await;
        // The same key makes an order again once the half-made one is out of its way.
        let again = insist(&twice.each()?, 1, half_made).await?;
        ensure!(again.code == 0, "{again:?}");
        // Paid and made again; cancelled and half made are free.
        second.until_stock_is(book_id, 8, 2).await;
        Ok(())
    };
    pace.watch(taking_over).await?;
    let heir = follower_of(&orders).await?.context("nobody follows")?;
    ensure!(heir != follower, "a dead replica renewed its lease");
    for (what, at) in read_stamps(&twice, &paid, &cancelled).await? {
        expect_in_time(&pace, what, killed_at, at)?;
    }
    twice.replicas[0].start().await?;
    twice.expect_clean().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_intent_of_a_killed_order_service_passes_on() -> anyhow::Result<()> {
    let Some(mut twice) = Twice::open(&[]).await? else {
        return Ok(());
    };
    let [first, second] = twice.each()?;
    let book_id = first.stocked(1000, 10).await?;
    signal_inventory(&twice, "STOP")?;
    let orders = twice.database(Service::Order)?.clone();
    let killing = async {
        until_there_is_one(&orders, "SELECT 1 FROM order_intents").await;
        twice.replicas[0].kill_one(Service::Order)?;
        anyhow::Ok(SystemClock.now())
    };
    let making = first.call(order(1, &[(book_id, 1)], ""));
    let (made, killed_at) = join(making, killing).await;
    ensure!(made.is_err(), "answered before the kill");
    let killed_at = killed_at?;
    signal_inventory(&twice, "CONT")?;

    let pace = Pace::default();
    let settled = eventually("the intent is settled", || async {
        let left = read_rows(&orders, "SELECT 1 FROM order_intents")
            .await
            .ok()?;
        left.is_empty().then_some(())
    });
    pace.watch(settled).await;
    second.until_stock_is(book_id, 10, 0).await;
    // Its deduction may have arrived before the release, or never.
    let sql = "SELECT 1, created_at FROM inventory_keys WHERE used_by = 'fence' \
        UNION ALL SELECT 1, created_at FROM inventory_logs WHERE operation_type = 'release'";
    let released = read_rows(twice.database(Service::Inventory)?, sql).await?;
    expect_in_time(&pace, "released", killed_at, only(released)?.time(1)?)?;
    twice.replicas[0].start().await?;
    twice.expect_clean().await
}

/// When the feed's step, the recovery and the task's effect came.
async fn read_stamps(
    twice: &Twice,
    paid: &Placed,
    cancelled: &Placed,
) -> anyhow::Result<[(&'static str, UnixMillis); 3]> {
    let orders = twice.database(Service::Order)?;
    let sql = "SELECT order_id, moved_at FROM order_history WHERE to_status = 2";
    let fed = only(read_rows(orders, sql).await?)?;
    ensure!(fed.int(0)? == i64::try_from(paid.id)?, "{fed:?}");
    let sql = "SELECT 1, updated_at FROM orders WHERE status = 6";
    let abandoned = only(read_rows(orders, sql).await?)?;
    let inventory = twice.database(Service::Inventory)?;
    let sql = "SELECT hold_key, created_at FROM inventory_logs WHERE operation_type = 'release'";
    let mut released = read_rows(inventory, sql).await?;
    // The half-made order has a release too, where its deduction had still arrived.
    released.retain(|row| row.bytes(0).is_ok_and(|key| key == cancelled.no.as_bytes()));
    Ok([
        ("fed", fed.time(1)?),
        ("abandoned", abandoned.time(1)?),
        ("released", only(released)?.time(1)?),
    ])
}

fn expect_in_time(
    pace: &Pace,
    what: &str,
    killed_at: UnixMillis,
    at: UnixMillis,
) -> anyhow::Result<()> {
    let after_ms = at.get() - killed_at.get();
    let after_ms_max = i64::try_from(pace.stretch(PASSES_ON_WITHIN).as_millis())?;
    ensure!(
        (0..=after_ms_max).contains(&after_ms),
        "{what} {after_ms} ms after the kill, {after_ms_max} ms allowed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_payment_service_was_asking_about_passes_on() -> anyhow::Result<()> {
    let Some(mut twice) = Twice::open(&[("PAYMENT__MOCK__LATENCY", "1500ms")]).await? else {
        return Ok(());
    };
    let [first, second] = twice.each()?;
    let placed = first.placed().await?;
    let payments = twice.database(Service::Payment)?.clone();
    let killing = async {
        let asking = "SELECT 1 FROM payment_attempts WHERE state = 1";
        until_there_is_one(&payments, asking).await;
        twice.replicas[0].kill_one(Service::Payment)?;
        anyhow::Ok(SystemClock.now())
    };
    let charge = pay(placed.id, placed.total);
    let (charged, killed_at) = join(first.call(charge.clone()), killing).await;
    ensure!(charged.is_err(), "answered before the kill");
    let killed_at = killed_at?;

    let pace = Pace::default();
    pace.watch(second.until_order_is(&placed.no, PAID)).await;
    let events = read_rows(&payments, "SELECT 1, created_at FROM payment_events").await?;
    expect_in_time(&pace, "settled", killed_at, only(events)?.time(1)?)?;
    let again = insist(&twice.each()?, 1, charge).await?;
    ensure!(
        again.code == 0 && again.message == "订单已支付",
        "{again:?}"
    );
    twice.replicas[0].start().await?;
    twice.expect_clean().await
}

/// Sees to it that the first replica follows the payment feed; answers by which name.
async fn have_the_first_follow(twice: &mut Twice) -> anyhow::Result<String> {
    twice.replicas[1].terminate(Some(Service::Order)).await?;
    let orders = twice.database(Service::Order)?.clone();
    // A drain gives the lease back, so whoever has it now is the one that is left.
    let follower = eventually("the first replica follows the feed", || async {
        follower_of(&orders).await.ok().flatten()
    })
    .await;
    twice.replicas[1].start().await?;
    Ok(follower)
}

/// Who has the lease of the payment feed, if it has not run out.
async fn follower_of(orders: &DatabaseUrl) -> anyhow::Result<Option<String>> {
    let sql = "SELECT holder, expires_at FROM leases WHERE name = 'follow_payments'";
    let rows = read_rows(orders, sql).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let holds = row.time(1)? > SystemClock.now();
    Ok(holds.then_some(row.text(0)?))
}

async fn until_there_is_one(database: &DatabaseUrl, sql: &'static str) {
    eventually(sql, || async {
        let rows = read_rows(database, sql).await.ok()?;
        (rows.len() == 1).then_some(())
    })
    .await;
}

fn only(rows: Vec<Row>) -> anyhow::Result<Row> {
    let [row] = <[Row; 1]>::try_from(rows).map_err(|rows| anyhow::anyhow!("one of {rows:?}"))?;
    Ok(row)
}

fn signal_inventory(twice: &Twice, name: &str) -> anyhow::Result<()> {
    for shop in &twice.replicas {
        shop.signal(Service::Inventory, name)?;
    }
    Ok(())
}
