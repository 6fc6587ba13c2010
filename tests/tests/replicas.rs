//! Proves: two replicas of every service, on one MariaDB and one Redis, are one shop. The transcript
//! plays over both; a hot book is never oversold, a key has one effect, and nobody keeps both money
//! and goods, whichever replica hears what; and a replica that is killed loses nothing and holds
//! nothing up. (Restarts: `rolling.rs`; what a killed one held: `leases.rs`; deadlines: `deadlines.rs`.)
//!
//! Where MariaDB or Redis is not installed all of it is left out, with a clear line.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, ensure};
use api::inventory::v1::{DeductStockRequest, GetStockRequest};
use api::order::v1::ListOrdersRequest;
use bookstore_e2e::goods::{CANCELLED, Placed, cancel, order, pay_order};
use bookstore_e2e::storm::{Manner, Storm, insist};
use bookstore_e2e::twice::Twice;
use bookstore_e2e::{Clients, Service, setting_number, transcript};
use futures::future::{try_join, try_join_all};
use futures::{StreamExt, TryStreamExt, stream};

/// How many deduct copies of the hot book at the same time.
const BUYERS: usize = 64;
/// How many ask at once under one key.
const TWINS: usize = 32;
/// How often payment and cancellation race.
const DUELS: u32 = 200;

/// Makes an order for one copy; asked for as long as it takes, under one key.
async fn place(replicas: &[Clients; 2], turn: usize, buyer: Buyer) -> anyhow::Result<Placed> {
    let request = order(buyer.user_id, &[(buyer.book_id, 1)], &buyer.key);
    let reply = insist(replicas, turn, request).await?;
    ensure!(reply.code == 0, "{reply:?}");
    Ok(Placed {
        no: reply.order_no,
        id: reply.order_id,
        total: reply.total,
    })
}

/// Who buys a copy of what, and the key of the order.
struct Buyer {
    user_id: u64,
    book_id: u64,
    key: String,
}

async fn version_of(clients: &Clients, book_id: u64) -> anyhow::Result<i32> {
    let stock = clients.done(GetStockRequest { book_id }).await?.stock;
    Ok(stock.context("no stock")?.version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transcript_works_over_two_replicas_of_each_service() -> anyhow::Result<()> {
    let Some(twice) = Twice::open(&[("PAYMENT__MOCK__SUCCESS_RATE", "0.7")]).await? else {
        return Ok(());
    };
    transcript::play(&twice.spread()?).await?;
    twice.expect_clean().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_over_two_replicas_end_as_over_one() -> anyhow::Result<()> {
    let Some(twice) = Twice::open(&[]).await? else {
        return Ok(());
    };
    a_hot_book_is_never_oversold(&twice).await?;
    twins_have_one_effect_and_one_answer(&twice).await?;
    nobody_keeps_both_money_and_goods(&twice).await?;
    twice.expect_clean().await
}

async fn a_hot_book_is_never_oversold(twice: &Twice) -> anyhow::Result<()> {
    let clients = &twice.each()?[0];
    let copies = 300;
    let book_id = clients.stocked(1000, copies).await?;
    let before = version_of(clients, book_id).await?;
    // Each buyer on connections of its own, until the shelf is empty.
    let buyers = (0..BUYERS).map(|buyer| async move {
        let replicas = twice.each()?;
        for turn in 0_usize.. {
            let request = DeductStockRequest {
                book_id,
                quantity: 1,
                reference_id: 0,
                idempotency_key: format!("buyer-{buyer}-{turn}"),
            };
            let reply = insist(&replicas, buyer + turn, request).await?;
            if reply.code == 40100 {
                return Ok(turn);
            }
            ensure!(reply.code == 0, "{reply:?}");
        }
        anyhow::bail!("a shelf without end")
    });
    let bought: usize = try_join_all(buyers).await?.into_iter().sum();
    ensure!(bought == usize::try_from(copies)?, "{bought} of {copies}");
    ensure!(clients.stock_of(book_id).await? == (0, copies));
    ensure!(version_of(clients, book_id).await? == before + copies);
    Ok(())
}

async fn twins_have_one_effect_and_one_answer(twice: &Twice) -> anyhow::Result<()> {
    let clients = &twice.each()?[0];
    let book_id = clients.stocked(1000, 100).await?;
    let twins = (0..TWINS).map(|turn| async move {
        let request = order(77, &[(book_id, 3)], "twin-order");
        insist(&twice.each()?, turn, request).await
    });
    let answers = try_join_all(twins).await?;
    ensure!(
        answers
            .iter()
            .all(|answer| answer.code == 0 && *answer == answers[0]),
        "{answers:?}"
    );
    let mine = ListOrdersRequest {
        user_id: 77,
        ..ListOrdersRequest::default()
    };
    ensure!(clients.done(mine).await?.total == 1);
    ensure!(clients.stock_of(book_id).await? == (97, 3));
    // Cancelled by all of them as well.
    let no = &answers[0].order_no;
    let twins =
        (0..TWINS).map(|turn| async move { insist(&twice.each()?, turn, cancel(no)).await });
    let answers = try_join_all(twins).await?;
    ensure!(answers.iter().all(|answer| answer.code == 0), "{answers:?}");
    clients.until_stock_is(book_id, 100, 0).await;
    Ok(())
}

async fn nobody_keeps_both_money_and_goods(twice: &Twice) -> anyhow::Result<()> {
    let replicas = Arc::new(twice.each()?);
    let [clients, _] = &*replicas;
    let copies = 500;
    let book_id = clients.stocked(1000, copies).await?;
    let duels = stream::iter(0..DUELS).map(|turn| duel(Arc::clone(&replicas), book_id, turn));
    let placed: Vec<Placed> = duels.buffer_unordered(16).try_collect().await?;
    // Cancelling wins in the end, before the payment or after it.
    clients.until_stock_is(book_id, copies, 0).await;
    let numbers: BTreeSet<&str> = placed.iter().map(|placed| placed.no.as_str()).collect();
    ensure!(numbers.len() == placed.len(), "a number was given twice");
    for placed in &placed {
        clients.until_order_is(&placed.no, CANCELLED).await;
        clients.until_no_money_is_held(placed.id).await;
    }
    Ok(())
}

/// One order, paid at one replica and cancelled at the other at the same time.
async fn duel(replicas: Arc<[Clients; 2]>, book_id: u64, number: u32) -> anyhow::Result<Placed> {
    let turn = usize::try_from(number)?;
    let buyer = Buyer {
        user_id: u64::from(number) + 1000,
        book_id,
        key: format!("duel-{number}"),
    };
    let placed = place(&replicas, turn / 2, buyer).await?;
    let paying = insist(&replicas, turn, pay_order(&placed.no));
    let cancelling = insist(&replicas, turn + 1, cancel(&placed.no));
    let (paid, cancelled) = try_join(paying, cancelling).await?;
    ensure!(cancelled.code == 0, "{cancelled:?}");
    // Paid, refunded already, or too late.
    ensure!([0, 1, 40900].contains(&paid.code), "{paid:?}");
    Ok(placed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_killed_at_random_in_a_storm_lose_nothing() -> anyhow::Result<()> {
    let Some(mut twice) = Twice::open(&[("PAYMENT__MOCK__LATENCY", "2ms")]).await? else {
        return Ok(());
    };
    let storm = Storm::gather(&twice, Manner::Insistent).await?;
    let breaking = async {
        for _ in 0..setting_number("BOOKSTORE_TEST_KILLS", 10) {
            let shop = &mut twice.replicas[rand::random_range(0..2)];
            storm.more_orders().await;
            shop.kill_one(Service::ALL[rand::random_range(0..4)])?;
            // Its twin alone must do, and take over what it held.
            storm.more_orders().await;
            shop.start().await?;
        }
        storm.end();
        anyhow::Ok(())
    };
    let (kept, ()) = try_join(storm.rage(), breaking).await?;
    twice.expect_clean().await?;
    storm.expect_all(&twice, &kept).await
}
