//! `CreateOrder`.

use super::*;
use crate::fakes::Act;

/// (book id, quantity), line by line.
type Lines<'a> = &'a [(u64, i32)];

#[tokio::test]
async fn an_order_is_created_and_reads_back() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let created = shop.create_one().await;
    assert_eq!(created.order_no, "ORD20261122134405000001");
    assert_eq!(
        (created.code, created.total, created.order_id),
        (0, 25_700, 1)
    );
    assert_eq!(created.message, "");

    let order = shop.get(&created.order_no).await?.order.unwrap();
    assert_eq!(
        (order.id, order.user_id, order.total, order.status),
        (1, 1, 25_700, 1)
    );
    assert_eq!(order.created_at, 1_795_355_045);
    assert_eq!(order.expire_at, order.created_at + 15 * 60);
    let items: Vec<_> = order
        .items
        .iter()
        .map(|i| (i.book_id, i.book_title.as_str(), i.quantity, i.price))
        .collect();
    assert_eq!(
        items,
        [
            (1, "Go微服务实战", 2, 12_800),
            (2, "分布式系统原理", 1, 100)
        ]
    );
    assert_eq!(shop.world.inventory.held(&created.order_no), 3);
    Ok(())
}

#[tokio::test]
async fn an_order_keeps_title_and_price_as_they_were() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let created = shop.create_one().await;
    shop.world.catalog.publish(1, "new title", 1);
    shop.world.catalog.unpublish(2);
    let order = shop.get(&created.order_no).await?.order.unwrap();
    assert_eq!(
        (order.items[0].book_title.as_str(), order.items[0].price),
        ("Go微服务实战", 12_800)
    );
    assert_eq!(order.total, 25_700);
    Ok(())
}

#[tokio::test]
async fn a_book_named_twice_is_one_item() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let created = shop.create(&[(2, 1), (1, 1), (2, 3)], "").await?;
    let order = shop.get(&created.order_no).await?.order.unwrap();
    let items: Vec<_> = order
        .items
        .iter()
        .map(|item| (item.book_id, item.quantity))
        .collect();
    assert_eq!((items, order.total), (vec![(2, 4), (1, 1)], 13_200));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_ordered_is_refused_in_both_languages() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.catalog.publish(3, "withdrawn", 1);
    shop.world.catalog.unpublish(3);
    shop.create(&[(1, 1)], "used").await?;
    let cases: [(Lines<'_>, &str, i32, &str, &str); 4] = [
        (&[(9, 1)], "", 40400, "图书不存在", "book not found"),
        (&[(1, 1), (3, 1)], "", 40400, "图书不存在", "book not found"),
        (&[(1, 101)], "", 40100, "库存不足", "insufficient stock"),
        (
            &[(1, 2)],
            "used",
            40901,
            "幂等键冲突",
            "idempotency key conflict",
        ),
    ];
    for (lines, key, code, zh, en) in cases {
        let refused = shop.create(lines, key).await?;
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (code, zh),
            "{lines:?}"
        );
        let english = in_english(create_request(1, lines, key));
        let refused = shop
            .client
            .clone()
            .create_order(english)
            .await?
            .into_inner();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (code, en),
            "{lines:?}"
        );
    }
    assert_eq!(
        shop.world.inventory.held_in_all(),
        1,
        "only the first order holds anything"
    );
    Ok(())
}

#[tokio::test]
async fn a_malformed_creation_names_every_bad_field() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let long_key = "k".repeat(65);
    let many: Vec<_> = (0..101).map(|_| (1, 1)).collect();
    shop.world.catalog.publish(5, "free", 0);
    shop.world.catalog.publish(6, "dear", 1_000_000_000_000);
    let cases: [(u64, Lines<'_>, &str, &[&str]); 10] = [
        (0, &[(1, 1)], "", &["user_id"]),
        (ID_MAX + 1, &[(1, 1)], "", &["user_id"]),
        (1, &[], "", &["items"]),
        (1, &many, "", &["items"]),
        (1, &[(0, 0)], "", &["items[0].book_id", "items[0].quantity"]),
        (1, &[(1, 1), (2, 10_000)], "", &["items[1].quantity"]),
        (1, &[(1, 9_999), (1, 1)], "", &["items[1].quantity"]),
        (
            0,
            &[(1, -1)],
            &long_key,
            &["user_id", "items[0].quantity", "idempotency_key"],
        ),
        (1, &[(5, 1)], "", &["items"]),
        (1, &[(6, 1_001)], "", &["items"]),
    ];
    for (user, lines, key, fields) in cases {
        let result = shop
            .client
            .clone()
            .create_order(create_request(user, lines, key))
            .await;
        assert_bad(result, fields);
    }
    assert_eq!(shop.world.inventory.deducts.calls(), 0);
    Ok(())
}

#[tokio::test]
async fn a_repeated_creation_answers_the_first_answer() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let first = shop.create(&[(1, 1), (2, 2)], "k").await?;
    shop.world.catalog.publish(1, "another title", 77);
    shop.world.catalog.unpublish(2);
    // Other lines, the same wish.
    let again = shop.create(&[(2, 1), (1, 1), (2, 1)], "k").await?;
    assert_eq!(again, first);
    shop.cancel(&first.order_no).await?;
    assert_eq!(
        shop.create(&[(1, 1), (2, 2)], "k").await?,
        first,
        "also when it is long over"
    );
    assert_eq!(shop.world.inventory.deducts.calls(), 1);

    let other_user = create_request(2, &[(1, 1)], "k");
    let theirs = shop
        .client
        .clone()
        .create_order(other_user)
        .await?
        .into_inner();
    assert_ne!(theirs.order_no, first.order_no, "keys are each user's own");
    Ok(())
}

#[tokio::test]
async fn an_order_that_failed_for_stock_may_be_tried_again_under_its_key() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    assert_eq!(shop.create(&[(1, 101)], "k").await?.code, 40100);
    assert_eq!(shop.create(&[(1, 101)], "k").await?.code, 40100);
    shop.world.inventory.restock(1, 1);
    let created = shop.create(&[(1, 101)], "k").await?;
    assert_eq!(created.code, 0);
    assert_eq!(shop.create(&[(1, 101)], "k").await?, created);
    Ok(())
}

#[tokio::test]
async fn what_was_short_a_moment_ago_is_refused_at_sight_and_never_wrongly() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let inventory = &shop.world.inventory;
    // Book 77 has no stock record; of book 1 there are 100.
    shop.world.catalog.publish(77, "never stocked", 100);
    for lines in [&[(1, 101)][..], &[(77, 1)], &[(2, 1), (1, 101)]] {
        assert_eq!(shop.create(lines, "").await?.code, 40100);
        assert_eq!(shop.create(lines, "").await?.code, 40100);
    }
    assert_eq!(
        inventory.deducts.calls(),
        2,
        "one for each book that is short"
    );
    let looked_at = inventory.reads.calls();
    assert_eq!(shop.create(&[(2, 1)], "").await?.code, 0);
    assert_eq!(
        inventory.reads.calls(),
        looked_at,
        "nobody looks at the others"
    );
    inventory.restock(1, 1);
    assert_eq!(shop.create(&[(1, 101)], "").await?.code, 0);
    Ok(())
}

#[tokio::test]
async fn where_nobody_can_look_at_the_stock_the_saga_asks_for_it() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let inventory = &shop.world.inventory;
    assert_eq!(shop.create(&[(1, 101)], "").await?.code, 40100);
    let unanswered = [Act::LoseRequest, Act::LoseReply, Act::Reject];
    inventory.reads.next(unanswered);
    for _ in unanswered {
        assert_eq!(shop.create(&[(1, 101)], "").await?.code, 40100);
    }
    assert_eq!((inventory.reads.calls(), inventory.deducts.calls()), (3, 4));
    Ok(())
}

#[tokio::test]
async fn thirty_two_at_once_under_one_key_make_one_order() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let calls = (0..32).map(|_| shop.create(&[(1, 2)], "k"));
    let answers: Result<Vec<_>, _> = futures::future::join_all(calls).await.into_iter().collect();
    let answers = answers?;
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    assert_eq!(answers[0].code, 0);
    assert_eq!(shop.world.inventory.held_in_all(), 2);
    Ok(())
}
