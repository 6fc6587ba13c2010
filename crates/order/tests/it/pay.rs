//! Proves that an order is paid once and by its own total; that whoever loses between payment and
//! cancellation gives way; and that no money stays where no order is.

use std::sync::Arc;

use api::order::v1::{ListOrdersRequest, PayOrderRequest};
use futures::future::join_all;
use order::domain::Op;
use tonic::Code;

use crate::fakes::{Act, Fault, FlakyStore};
use crate::shop::{Shop, World, in_english, tells_to_retry};

const TOTAL: i64 = 25_700;

/// A shop that hears of payments only by its own calls.
async fn deaf_shop() -> anyhow::Result<Shop> {
    let world = World::new().await?;
    world.payment.watches.always(Act::LoseRequest);
    world.open().await
}

#[tokio::test]
async fn a_refused_charge_leaves_the_order_to_be_paid_again() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let no = shop.create_one().await.order_no;
    shop.world
        .payment
        .pays
        .next([Act::Refuse(1), Act::Refuse(1)]);
    let refused = shop.pay(&no).await?;
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (1, "支付失败（Mock）")
    );
    let request = PayOrderRequest {
        order_no: no.clone(),
        payment_method: "mock".to_owned(),
    };
    let refused = shop
        .client
        .clone()
        .pay_order(in_english(request))
        .await?
        .into_inner();
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (1, "payment refused (mock)")
    );
    assert_eq!(shop.status(&no).await, 1);

    assert_eq!(shop.pay(&no).await?.code, 0);
    assert_eq!(shop.status(&no).await, 2);
    assert_eq!(shop.world.payment.charges(), 1);
    Ok(())
}

#[tokio::test]
async fn a_charge_without_an_answer_is_never_taken_for_a_no() -> anyhow::Result<()> {
    for (act, charged) in [(Act::LoseReply, true), (Act::LoseRequest, false)] {
        let shop = Shop::new().await?;
        let no = shop.create_one().await.order_no;
        shop.world.payment.pays.next([act]);
        let status = shop.pay(&no).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(tells_to_retry(&status), "asking again charges nobody twice");
        if charged {
            shop.becomes(&no, 2).await;
        } else {
            assert_eq!(shop.status(&no).await, 1);
        }
        assert_eq!(shop.pay(&no).await?.code, 0);
        assert_eq!(shop.world.payment.charges(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_payment_that_cannot_be_looked_at_is_left_to_the_feed() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let no = shop.create_one().await.order_no;
    shop.world.payment.reads.always(Act::LoseRequest);
    let status = shop.pay(&no).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    shop.becomes(&no, 2).await;
    // The gateway's number is payment's to tell; the answer does not hang on it.
    let again = shop.pay(&no).await?;
    assert_eq!((again.code, again.message.as_str()), (0, "订单已支付"));
    assert_eq!(
        (again.payment_no.is_empty(), again.third_party_no.as_str()),
        (false, "")
    );
    shop.world.payment.reads.always(Act::Serve);
    let again = shop.pay(&no).await?;
    assert_eq!(again.third_party_no, format!("MOCK{}", again.payment_no));
    Ok(())
}

#[tokio::test]
async fn money_of_another_amount_is_found_out_and_goes_back() -> anyhow::Result<()> {
    let shop = deaf_shop().await?;
    let created = shop.create_one().await;
    shop.world.payment.pay_directly(created.order_id, TOTAL - 1);
    let lost = shop.pay(&created.order_no).await?;
    assert_eq!(
        (lost.code, lost.message.as_str()),
        (40900, "不允许从 CANCELLED 转换到 PAID")
    );
    shop.world.settle().await;
    assert_eq!(shop.status(&created.order_no).await, 5);
    assert_eq!(shop.world.payment.status(created.order_id), 3);
    assert_eq!(shop.world.inventory.free(1), 100);
    Ok(())
}

#[tokio::test]
async fn an_order_that_was_paid_directly_is_found_paid() -> anyhow::Result<()> {
    let shop = deaf_shop().await?;
    let created = shop.create_one().await;
    shop.world.payment.pay_directly(created.order_id, TOTAL);
    let paid = shop.pay(&created.order_no).await?;
    assert_eq!(paid.code, 0);
    assert_eq!(
        paid.payment_no,
        shop.world.payment.payment_no(created.order_id)
    );
    assert_eq!(shop.status(&created.order_no).await, 2);
    Ok(())
}

#[tokio::test]
async fn an_order_whose_payment_was_refunded_cannot_be_paid() -> anyhow::Result<()> {
    let shop = deaf_shop().await?;
    let created = shop.create_one().await;
    shop.world.payment.pay_directly(created.order_id, TOTAL);
    shop.world.payment.refund_directly(created.order_id);
    let refused = shop.pay(&created.order_no).await?;
    assert_eq!((refused.code, refused.message.as_str()), (1, "订单已退款"));
    let request = PayOrderRequest {
        order_no: created.order_no,
        payment_method: "mock".to_owned(),
    };
    let refused = shop
        .client
        .clone()
        .pay_order(in_english(request))
        .await?
        .into_inner();
    assert_eq!(refused.message, "order was refunded");
    Ok(())
}

#[tokio::test]
async fn a_payment_that_the_database_did_not_take_is_brought_by_the_feed() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let mut world = World::new().await?;
        let flaky = Arc::new(FlakyStore::over(Arc::clone(&world.store)));
        world.replica_store = Some(flaky.clone());
        let shop = world.open().await?;
        let no = shop.create_one().await.order_no;
        flaky.next(|op| matches!(op, Op::Pay { .. }), fault);
        let status = shop.pay(&no).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{fault:?}");
        shop.becomes(&no, 2).await;
        assert_eq!(shop.world.payment.charges(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn thirty_two_who_pay_at_once_are_charged_once() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let no = shop.create_one().await.order_no;
    for answer in join_all((0..32).map(|_| shop.pay(&no))).await {
        let answer = answer?;
        assert_eq!(answer.code, 0);
        assert_eq!(answer.payment_no, shop.world.payment.payment_no(1));
    }
    assert_eq!(shop.world.payment.charges(), 1);
    Ok(())
}

#[tokio::test]
async fn of_pay_and_cancel_never_both_stand() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let (mut paid_first, mut cancelled_first) = (0, 0);
    for round in 0..200 {
        let created = shop.create_one().await;
        let no = &created.order_no;
        // Whoever starts second has a chance now and then.
        let (paid, cancelled) = if round % 2 == 0 {
            tokio::join!(shop.pay(no), shop.cancel(no))
        } else {
            let (cancelled, paid) = tokio::join!(shop.cancel(no), shop.pay(no));
            (paid, cancelled)
        };
        let (paid, cancelled) = (paid?, cancelled?);
        assert_eq!(cancelled.code, 0, "PENDING and PAID can both be cancelled");
        match paid.code {
            0 => paid_first += 1,
            40900 => cancelled_first += 1,
            code => panic!("{code} {}", paid.message),
        }
        assert_eq!(shop.status(no).await, 5);
    }
    shop.world.settle().await;
    for order_id in 1..=200 {
        let money = shop.world.payment.status(order_id);
        assert!(
            matches!(money, 0 | 3),
            "order {order_id}: its payment stands at {money}"
        );
    }
    assert_eq!(shop.world.inventory.free(1), 100);
    assert_eq!(shop.world.inventory.held_in_all(), 0);
    assert_eq!(paid_first + cancelled_first, 200);
    Ok(())
}

#[tokio::test]
async fn orders_are_read_and_completed_while_all_others_are_down() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let no = shop.create_paid().await.order_no;
    shop.ship(&no).await?;
    shop.world.catalog.reads.always(Act::LoseRequest);
    shop.world.inventory.deducts.always(Act::LoseRequest);
    shop.world.payment.pays.always(Act::LoseRequest);
    shop.world.payment.reads.always(Act::LoseRequest);
    assert_eq!(shop.status(&no).await, 3);
    let listed = shop
        .client
        .clone()
        .list_orders(ListOrdersRequest::default())
        .await?
        .into_inner();
    assert_eq!((listed.total, listed.orders.len()), (1, 1));
    assert_eq!(shop.complete(&no).await?.code, 0);
    assert_eq!(shop.pay(&no).await?.message, "订单已支付");
    Ok(())
}
