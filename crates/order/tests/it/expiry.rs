//! Proves that an unpaid order ends at its deadline and not before, once, whatever becomes of the
//! queue, the replicas and the payment.

use std::sync::Arc;
use std::time::Duration;

use api::order::v1::GetOrderRequest;
use futures::future::join_all;
use order::delay_queue::EmbeddedQueue;
use order::domain::Op;
use platform::clock::Clock;
use testkit::eventually;

use crate::fakes::{Act, DeadQueue, Fault, FlakyStore, ForgetfulQueue};
use crate::shop::{PAYMENT_TIMEOUT, Shop, World, in_english};

const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn an_unpaid_order_ends_at_its_deadline_and_not_before() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let start = shop.world.clock.now();
    let witness = shop.create_one().await.order_no;
    shop.world.clock.advance(MOMENT);
    let order = shop.create_one().await.order_no;
    // One moment before the order's deadline, the witness's has come.
    shop.world.clock.set(start.plus(PAYMENT_TIMEOUT));
    shop.becomes(&witness, 5).await;
    assert_eq!(shop.status(&order).await, 1);
    shop.world.clock.advance(MOMENT);
    shop.becomes(&order, 5).await;
    shop.world.settle().await;
    assert_eq!(shop.world.inventory.free(1), 100);

    let expired = shop.get(&order).await?.order.unwrap();
    assert_eq!(expired.cancel_reason, "超时未支付");
    let english = in_english(GetOrderRequest {
        order_no: order.clone(),
    });
    let expired = shop
        .client
        .clone()
        .get_order(english)
        .await?
        .into_inner()
        .order
        .unwrap();
    assert_eq!(expired.cancel_reason, "not paid in time");
    assert_eq!(shop.pay(&order).await?.code, 40900);
    Ok(())
}

#[tokio::test]
async fn what_was_paid_or_cancelled_does_not_expire() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let paid = shop.create_paid().await.order_no;
    let cancelled = shop.create_one().await.order_no;
    shop.cancel(&cancelled).await?;
    let witness = shop.create_one().await.order_no;
    shop.world.clock.advance(PAYMENT_TIMEOUT * 2);
    shop.becomes(&witness, 5).await;
    assert_eq!(shop.status(&paid).await, 2);
    assert_eq!(
        shop.get(&cancelled).await?.order.unwrap().cancel_reason,
        "不要了"
    );
    Ok(())
}

#[tokio::test]
async fn a_queue_that_lost_everything_or_is_down_delays_nothing_for_long() -> anyhow::Result<()> {
    for dead in [false, true] {
        let mut world = World::new().await?;
        world.queue = if dead {
            Arc::new(DeadQueue)
        } else {
            Arc::new(ForgetfulQueue)
        };
        let shop = world.open().await?;
        let order = shop.create_one().await.order_no;
        let paid = shop.create_paid().await.order_no;
        world.clock.advance(PAYMENT_TIMEOUT);
        shop.becomes(&order, 5).await;
        assert_eq!(shop.status(&paid).await, 2);
        world.settle().await;
        assert_eq!(world.inventory.free(1), 98);
    }
    Ok(())
}

#[tokio::test]
async fn a_deadline_that_passed_while_all_was_down_is_found_at_the_start() -> anyhow::Result<()> {
    let world = World::new().await?;
    let shop = world.open().await?;
    let order = shop.create_one().await.order_no;
    let later = shop.create_one().await.order_no;
    shop.close().await?;

    // The queue was in the memory of the one that went down.
    let mut world = world;
    world.queue = Arc::new(EmbeddedQueue::new());
    world.clock.advance(PAYMENT_TIMEOUT);
    let shop = world.open().await?;
    shop.becomes(&order, 5).await;
    shop.becomes(&later, 5).await;
    world.settle().await;
    assert_eq!(world.inventory.free(1), 100);
    Ok(())
}

#[tokio::test]
async fn a_deadline_whose_cancellation_failed_stays_in_the_queue() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    let store = Arc::new(FlakyStore::over(Arc::clone(&world.store)));
    world.replica_store = Some(store.clone());
    // After its first round there is no sweep: the queue alone knows.
    world.timing.sweep_every = Duration::from_hours(1);
    let shop = world.open().await?;
    let order = shop.create_one().await.order_no;
    store.next(|op| matches!(op, Op::Cancel { .. }), Fault::Down);
    world.clock.advance(PAYMENT_TIMEOUT);
    eventually("the cancellation failed", async || {
        store.is_spent().then_some(())
    })
    .await;
    eventually(
        "it comes back when the claim's lease runs out",
        async || {
            world.clock.advance(world.timing.expiry_lease);
            (shop.status(&order).await == 5).then_some(())
        },
    )
    .await;
    let later = world.clock.now().plus(PAYMENT_TIMEOUT);
    eventually("what is settled leaves the queue", async || {
        let due = world.queue.claim_due(later, 10, MOMENT).await.unwrap();
        due.is_empty().then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn replicas_cancel_an_order_once() -> anyhow::Result<()> {
    let world = World::new().await?;
    let replicas = [
        world.open().await?,
        world.open().await?,
        world.open().await?,
    ];
    let mut orders = Vec::new();
    for replica in replicas.iter().cycle().take(30) {
        orders.push(replica.create(&[(1, 1)], "").await?.order_no);
    }
    world.clock.advance(PAYMENT_TIMEOUT);
    for order in &orders {
        replicas[0].becomes(order, 5).await;
    }
    eventually("all stock is back", async || {
        (world.inventory.free(1) == 100).then_some(())
    })
    .await;
    for order in &orders {
        assert_eq!(world.inventory.releases_of(order), 1, "{order}");
    }
    Ok(())
}

#[tokio::test]
async fn more_orders_than_a_batch_expire_together() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.inventory.restock(2, 1_300);
    let created = join_all((0..1_300).map(|_| shop.create(&[(2, 1)], ""))).await;
    assert!(
        created
            .iter()
            .all(|answer| answer.as_ref().is_ok_and(|answer| answer.code == 0))
    );
    assert_eq!(shop.world.inventory.free(2), 100);
    shop.world.clock.advance(PAYMENT_TIMEOUT);
    eventually("all stock is back", async || {
        (shop.world.inventory.free(2) == 1_400).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_payment_in_flight_does_not_hold_up_the_deadline() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let created = shop.create_one().await;
    shop.world.payment.pays.next([Act::Hang]);
    let paying = shop.pay(&created.order_no);
    let expiring = async {
        eventually("the charge is under way", async || {
            (shop.world.payment.pays.calls() == 1).then_some(())
        })
        .await;
        shop.world.clock.advance(PAYMENT_TIMEOUT);
        shop.becomes(&created.order_no, 5).await;
        // And now the money arrives.
        shop.world.payment.pay_directly(created.order_id, 25_700);
    };
    let (paid, ()) = tokio::join!(paying, expiring);
    assert!(paid.is_err(), "nobody knew");
    eventually("the money is back", async || {
        shop.world.clock.advance(MOMENT);
        (shop.world.payment.status(created.order_id) == 3).then_some(())
    })
    .await;
    assert_eq!(shop.status(&created.order_no).await, 5);
    Ok(())
}
