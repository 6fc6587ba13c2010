//! `GetOrder`, `ListOrders`, `PayOrder`, `CancelOrder`, `ShipOrder`, `CompleteOrder`.

use super::*;

#[tokio::test]
async fn nobody_finds_an_order_that_is_not_there() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let no = "ORD20261122134405999999";
    let answers = [
        shop.get(no).await.map(|r| (r.code, r.message))?,
        shop.pay(no).await.map(|r| (r.code, r.message))?,
        shop.cancel(no).await.map(|r| (r.code, r.message))?,
        shop.ship(no).await.map(|r| (r.code, r.message))?,
        shop.complete(no).await.map(|r| (r.code, r.message))?,
    ];
    for answer in answers {
        assert_eq!(answer, (40401, "订单不存在".to_owned()));
    }
    let english = in_english(GetOrderRequest {
        order_no: no.to_owned(),
    });
    let answer = shop.client.clone().get_order(english).await?.into_inner();
    assert_eq!(
        (answer.code, answer.message.as_str()),
        (40401, "order not found")
    );
    Ok(())
}

#[tokio::test]
async fn bad_numbers_reasons_and_methods_are_bad_requests() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    for no in ["", "  ", "订单", "a b", &"9".repeat(33)] {
        assert_bad(shop.get(no).await, &["order_no"]);
        assert_bad(shop.pay(no).await, &["order_no"]);
        assert_bad(shop.cancel(no).await, &["order_no"]);
        assert_bad(shop.ship(no).await, &["order_no"]);
        assert_bad(shop.complete(no).await, &["order_no"]);
    }
    let created = shop.create_one().await;
    for reason in ["x".repeat(201), "a\0b".to_owned()] {
        let request = CancelOrderRequest {
            order_no: created.order_no.clone(),
            reason,
        };
        assert_bad(shop.client.clone().cancel_order(request).await, &["reason"]);
    }
    for method in ["", "stripe", &"m".repeat(21)] {
        let request = PayOrderRequest {
            order_no: created.order_no.clone(),
            payment_method: method.to_owned(),
        };
        assert_bad(
            shop.client.clone().pay_order(request).await,
            &["payment_method"],
        );
    }
    assert_eq!(shop.status(&created.order_no).await, 1);
    Ok(())
}

#[tokio::test]
async fn an_order_is_paid_shipped_and_completed_and_repeats_change_nothing() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let no = shop.create_one().await.order_no;
    let paid = shop.pay(&no).await?;
    assert_eq!((paid.code, paid.message.as_str()), (0, "支付成功"));
    assert_eq!(paid.payment_no, shop.world.payment.payment_no(1));
    assert_eq!(paid.third_party_no, format!("MOCK{}", paid.payment_no));
    for status in [2, 3, 4] {
        match status {
            3 => assert_eq!(shop.ship(&no).await?.code, 0),
            4 => assert_eq!(shop.complete(&no).await?.code, 0),
            _ => {}
        }
        assert_eq!(shop.status(&no).await, status);
        let again = shop.pay(&no).await?;
        assert_eq!((again.code, again.message.as_str()), (0, "订单已支付"));
        assert_eq!(
            (&again.payment_no, &again.third_party_no),
            (&paid.payment_no, &paid.third_party_no)
        );
        if status == 3 {
            assert_eq!(shop.ship(&no).await?.code, 0, "a repeat");
        }
    }
    assert_eq!(shop.complete(&no).await?.code, 0, "a repeat");
    assert!(shop.world.inventory.is_committed(&no));
    assert_eq!(shop.world.inventory.commits.calls(), 1);
    assert_eq!(shop.world.payment.charges(), 1);
    Ok(())
}

#[tokio::test]
async fn no_arrow_of_the_machine_can_be_walked_backwards_or_skipped() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let message = |from, to| format!("不允许从 {from} 转换到 {to}");
    let pending = shop.create_one().await.order_no;
    let ship = shop.ship(&pending).await?;
    assert_eq!(
        (ship.code, ship.message),
        (40900, message("PENDING", "SHIPPED"))
    );
    let complete = shop.complete(&pending).await?;
    assert_eq!(
        (complete.code, complete.message),
        (40900, message("PENDING", "COMPLETED"))
    );

    let sold = shop.create_paid().await.order_no;
    assert_eq!(
        shop.complete(&sold).await?.message,
        message("PAID", "COMPLETED")
    );
    shop.ship(&sold).await?;
    assert_eq!(
        shop.cancel(&sold).await?.message,
        message("SHIPPED", "CANCELLED")
    );
    shop.complete(&sold).await?;
    assert_eq!(
        shop.cancel(&sold).await?.message,
        message("COMPLETED", "CANCELLED")
    );
    assert_eq!(
        shop.ship(&sold).await?.message,
        message("COMPLETED", "SHIPPED")
    );

    shop.cancel(&pending).await?;
    assert_eq!(
        shop.pay(&pending).await?.message,
        message("CANCELLED", "PAID")
    );
    assert_eq!(
        shop.ship(&pending).await?.message,
        message("CANCELLED", "SHIPPED")
    );
    let english = in_english(CompleteOrderRequest { order_no: pending });
    let refused = shop
        .client
        .clone()
        .complete_order(english)
        .await?
        .into_inner();
    assert_eq!(refused.message, "cannot go from CANCELLED to COMPLETED");
    Ok(())
}

#[tokio::test]
async fn a_pending_order_is_cancelled_and_its_stock_released() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let no = shop.create_one().await.order_no;
    let cancelled = shop.cancel(&no).await?;
    assert_eq!(
        (cancelled.code, cancelled.refund_no.as_str()),
        (0, ""),
        "no money, no refund"
    );
    assert_eq!(
        shop.world.inventory.free(1),
        100,
        "released before the answer"
    );
    let order = shop.get(&no).await?.order.unwrap();
    assert_eq!((order.status, order.cancel_reason.as_str()), (5, "不要了"));

    assert_eq!(shop.cancel(&no).await?, cancelled, "a repeat");
    assert_eq!(shop.world.inventory.releases.calls(), 1);
    assert_eq!(shop.world.tasks_left().await, 0);
    Ok(())
}

#[tokio::test]
async fn a_paid_order_is_cancelled_refunded_and_its_stock_released() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let created = shop.create_paid().await;
    let cancelled = shop.cancel(&created.order_no).await?;
    let payment_no = shop.world.payment.payment_no(created.order_id);
    assert_eq!(
        (cancelled.code, cancelled.refund_no.clone()),
        (0, format!("REF{payment_no}"))
    );
    assert_eq!(shop.world.payment.status(created.order_id), 3);
    assert_eq!(shop.world.inventory.free(1), 100);
    assert_eq!(
        shop.cancel(&created.order_no).await?,
        cancelled,
        "the same refund"
    );
    assert_eq!(shop.world.payment.refunds.calls(), 1);
    Ok(())
}

#[tokio::test]
async fn orders_are_listed_newest_first_page_by_page() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let mut numbers = Vec::new();
    for user in [1, 2, 1, 1] {
        let created = shop
            .client
            .clone()
            .create_order(create_request(user, &[(1, 1)], ""))
            .await?;
        numbers.push(created.into_inner().order_no);
    }
    shop.cancel(&numbers[2]).await?;
    let list = async |user_id, status, page, page_size| {
        let request = ListOrdersRequest {
            user_id,
            status,
            page,
            page_size,
        };
        let listed = shop
            .client
            .clone()
            .list_orders(request)
            .await
            .unwrap()
            .into_inner();
        assert!(listed.orders.iter().all(|order| order.items.len() == 1));
        let ids: Vec<_> = listed.orders.iter().map(|order| order.id).collect();
        (ids, listed.total)
    };
    assert_eq!(list(0, 0, 0, 0).await, (vec![4, 3, 2, 1], 4));
    assert_eq!(list(1, 0, 1, 2).await, (vec![4, 3], 3));
    assert_eq!(list(1, 0, 2, 2).await, (vec![1], 3));
    assert_eq!(list(1, 5, 1, 20).await, (vec![3], 1));
    assert_eq!(list(3, 0, 1, 20).await, (vec![], 0));
    Ok(())
}

#[tokio::test]
async fn a_malformed_list_names_every_bad_field() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let cases = [
        (
            ID_MAX + 1,
            6,
            -1,
            101,
            vec!["user_id", "status", "page", "page_size"],
        ),
        (0, -1, 0, 0, vec!["status"]),
    ];
    for (user_id, status, page, page_size, fields) in cases {
        let request = ListOrdersRequest {
            user_id,
            status,
            page,
            page_size,
        };
        assert_bad(shop.client.clone().list_orders(request).await, &fields);
    }
    Ok(())
}
