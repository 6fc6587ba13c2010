//! Proves that money which moves at the payment service itself moves orders: once, in order,
//! without a gap, over restarts, and by one replica at a time, however far behind it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::order::v1::{GetOrderRequest, Order};
use order::domain::Op;
use testkit::eventually;

use crate::fakes::{Act, Fault, FlakyStore, Forgery};
use crate::shop::{Shop, World, id_of, in_english};

const TOTAL: i64 = 25_700;

/// Waits until the feed has been followed to its end.
async fn caught_up(world: &World) {
    eventually("the feed is followed to its end", async || {
        let cursor = world.store.feed_cursor().await.unwrap();
        (cursor == world.payment.events()).then_some(())
    })
    .await;
}

async fn order(shop: &Shop, order_no: &str) -> Order {
    shop.get(order_no).await.unwrap().order.unwrap()
}

#[tokio::test]
async fn a_direct_payment_of_the_right_amount_pays_the_order() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let created = shop.create_one().await;
    shop.world.payment.fail_directly(created.order_id, TOTAL);
    shop.world.payment.pay_directly(created.order_id, TOTAL);
    shop.becomes(&created.order_no, 2).await;
    let paid = shop.pay(&created.order_no).await?;
    assert_eq!((paid.code, paid.message.as_str()), (0, "订单已支付"));
    assert_eq!(paid.third_party_no, format!("MOCK{}", paid.payment_no));
    assert_eq!(shop.ship(&created.order_no).await?.code, 0);
    Ok(())
}

#[tokio::test]
async fn a_direct_payment_of_another_amount_ends_the_order_and_goes_back() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let created = shop.create_one().await;
    shop.world.payment.pay_directly(created.order_id, TOTAL + 1);
    shop.becomes(&created.order_no, 5).await;
    shop.world.settle().await;
    assert_eq!(shop.world.payment.status(created.order_id), 3);
    assert_eq!(shop.world.inventory.free(1), 100);
    assert_eq!(
        order(&shop, &created.order_no).await.cancel_reason,
        "支付金额不符"
    );
    let english = in_english(GetOrderRequest {
        order_no: created.order_no,
    });
    let order = shop
        .client
        .clone()
        .get_order(english)
        .await?
        .into_inner()
        .order
        .unwrap();
    assert_eq!(order.cancel_reason, "paid with another amount");
    Ok(())
}

#[tokio::test]
async fn money_for_no_order_and_for_a_cancelled_one_goes_back() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let created = shop.create_one().await;
    shop.cancel(&created.order_no).await?;
    shop.world.payment.pay_directly(created.order_id, TOTAL);
    shop.world.payment.pay_directly(999, 1);
    caught_up(&shop.world).await;
    shop.world.settle().await;
    assert_eq!(shop.world.payment.status(created.order_id), 3);
    assert_eq!(shop.world.payment.status(999), 3);
    assert_eq!(shop.world.payment.refunds.calls(), 2, "each once");
    let repeat = shop.cancel(&created.order_no).await?;
    let refund_no = format!("REF{}", shop.world.payment.payment_no(created.order_id));
    assert_eq!((repeat.code, repeat.refund_no), (0, refund_no));
    Ok(())
}

#[tokio::test]
async fn a_direct_refund_ends_an_order_whose_goods_are_here() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let [here, gone, done] = [
        shop.create_paid().await,
        shop.create_paid().await,
        shop.create_paid().await,
    ];
    for sold in [&gone, &done] {
        shop.ship(&sold.order_no).await?;
    }
    shop.complete(&done.order_no).await?;
    for order in [&here, &gone, &done] {
        shop.world.payment.refund_directly(order.order_id);
    }
    shop.becomes(&here.order_no, 5).await;
    caught_up(&shop.world).await;
    shop.world.settle().await;
    assert_eq!(
        order(&shop, &here.order_no).await.cancel_reason,
        "支付已退款"
    );
    assert_eq!(shop.world.inventory.held_in_all(), 0);
    assert_eq!(shop.status(&gone.order_no).await, 3);
    assert_eq!(shop.status(&done.order_no).await, 4);
    assert_eq!(shop.world.inventory.free(1), 100 - 4);
    assert_eq!(
        shop.world.payment.refunds.calls(),
        0,
        "nothing is refunded twice"
    );
    Ok(())
}

#[tokio::test]
async fn what_was_paid_while_orders_were_down_is_heard_after_the_start() -> anyhow::Result<()> {
    let world = World::new().await?;
    let shop = world.open().await?;
    let first = shop.create_one().await;
    let second = shop.create_one().await;
    world.payment.pay_directly(first.order_id, TOTAL);
    shop.becomes(&first.order_no, 2).await;
    shop.close().await?;

    world.payment.pay_directly(second.order_id, TOTAL);
    world.payment.refund_directly(first.order_id);
    let shop = world.open().await?;
    shop.becomes(&second.order_no, 2).await;
    shop.becomes(&first.order_no, 5).await;
    Ok(())
}

#[tokio::test]
async fn a_feed_that_repeats_breaks_off_or_leaves_out_is_followed_all_the_same()
-> anyhow::Result<()> {
    for forgery in [Forgery::Double, Forgery::Break, Forgery::Skip] {
        for forged in 1..=3 {
            let world = World::new().await?;
            world.payment.watches.always(Act::LoseRequest);
            let shop = world.open().await?;
            let created = shop.create_one().await;
            world.payment.fail_directly(created.order_id, TOTAL);
            world.payment.pay_directly(created.order_id, TOTAL);
            world.payment.refund_directly(created.order_id);
            world.payment.forge(forged, forgery);
            world.payment.watches.always(Act::Serve);
            // A gap at the very end is seen when the next event comes.
            world.payment.pay_directly(999, 1);
            caught_up(&world).await;
            world.settle().await;
            assert_eq!(
                shop.status(&created.order_no).await,
                5,
                "{forgery:?} of {forged}"
            );
            let history = world.store.history(id_of(&created)).await?;
            assert_eq!(history.len(), 2, "PAID, then CANCELLED: {history:?}");
            assert_eq!(world.inventory.free(1), 100);
        }
    }
    Ok(())
}

#[tokio::test]
async fn one_replica_follows_and_another_takes_over() -> anyhow::Result<()> {
    let world = World::new().await?;
    let first = world.open().await?;
    eventually("the first follows", async || {
        (world.payment.watches.calls() == 1).then_some(())
    })
    .await;
    let second = world.open().await?;
    let created = second.create_one().await;
    world.payment.pay_directly(created.order_id, TOTAL);
    second.becomes(&created.order_no, 2).await;
    assert_eq!(
        world.payment.watches.calls(),
        1,
        "the second leaves it alone"
    );

    // A drain gives the lease back: nobody waits for its end.
    first.close().await?;
    let created = second.create_one().await;
    world.payment.pay_directly(created.order_id, TOTAL);
    second.becomes(&created.order_no, 2).await;
    assert_eq!(world.payment.watches.calls(), 2);
    Ok(())
}

#[tokio::test]
async fn the_lease_of_a_dead_replica_passes_on_when_it_runs_out() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.hold_feed_lease("a dead replica").await;
    let shop = world.open().await?;
    let created = shop.create_one().await;
    world.payment.pay_directly(created.order_id, TOTAL);
    assert_eq!(world.payment.watches.calls(), 0);
    world.clock.advance(world.timing.feed_lease);
    shop.becomes(&created.order_no, 2).await;
    assert!(world.timing.feed_lease + world.timing.follow_every < Duration::from_secs(10));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_much_to_catch_up_with_keeps_the_lease() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    let store = Arc::new(FlakyStore::over(Arc::clone(&world.store)));
    world.replica_store = Some(store.clone());
    world.payment.is_endless.store(true, Ordering::SeqCst);
    let _shop = world.open().await?;
    eventually("it follows", async || {
        (world.store.feed_cursor().await.unwrap() > 0).then_some(())
    })
    .await;
    // Not the end of the feed, which never comes: the lease alone.
    store.next(|op| matches!(op, Op::Lease { .. }), Fault::Down);
    eventually("it asks for the lease again", async || {
        store.is_spent().then_some(())
    })
    .await;
    Ok(())
}
