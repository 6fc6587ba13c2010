//! Proves what each method but `DeductBatches` promises: its success, each code it can answer, in both
//! languages.

use api::Reply;
use api::inventory::v1 as wire;

use crate::harness::{
    TestService, batch_of, batch_release_of, commit_of, deduct_of, in_english, release_of,
    restock_of,
};

/// Asserts code and Chinese text of one call, then code and English text of the same call.
macro_rules! assert_refused {
    ($service:expr, $method:ident, $request:expr, $code:literal, $zh:literal, $en:literal) => {
        let zh = $service
            .client
            .clone()
            .$method($request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!((zh.code(), zh.message()), ($code, $zh));
        let request = in_english($request);
        let en = $service
            .client
            .clone()
            .$method(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!((en.code(), en.message()), ($code, $en));
    };
}

/// The answer of one call, which must be a success without a text.
macro_rules! done {
    ($service:expr, $method:ident, $request:expr) => {{
        let reply = $service
            .client
            .clone()
            .$method($request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!((reply.code(), reply.message()), (0, ""));
        reply
    }};
}

const fn item(book_id: u64, quantity: i32) -> wire::StockItem {
    wire::StockItem { book_id, quantity }
}

const fn stock(book_id: u64, quantity: i32, reserved: i32, version: i32) -> wire::Stock {
    wire::Stock {
        book_id,
        quantity,
        reserved,
        version,
    }
}

#[tokio::test]
async fn the_transcript_gives_the_answers_shown() {
    let service = TestService::start().await;
    let restocked = done!(
        service,
        restock_inventory,
        restock_of(1, 100, "restock-001")
    );
    assert_eq!(restocked.new_quantity, 100);
    for _ in 0..2 {
        let deducted = done!(service, deduct_stock, deduct_of(1, 5, 1, "order-1-book-1"));
        assert_eq!(deducted.remaining_quantity, 95);
    }
    let released = done!(service, release_stock, release_of(1, 5, 1, ""));
    assert_eq!(released.new_quantity, 100);
    let restocked = done!(
        service,
        restock_inventory,
        restock_of(2, 100, "restock-002")
    );
    assert_eq!(restocked.new_quantity, 100);
    let batch = batch_of(&[(1, 2), (2, 1)], 1, "ORD20261122134405000001");
    let deducted = done!(service, batch_deduct_stock, batch);
    assert_eq!(deducted.stocks, [stock(1, 98, 2, 4), stock(2, 99, 1, 2)]);
    service.stop().await;
}

#[tokio::test]
async fn restock_makes_the_record_and_refuses_a_used_key() {
    let service = TestService::start().await;
    assert_eq!(
        done!(service, restock_inventory, restock_of(1, 3, "")).new_quantity,
        3
    );
    assert_eq!(
        done!(service, restock_inventory, restock_of(1, 4, "k")).new_quantity,
        7
    );
    assert_refused!(
        service,
        restock_inventory,
        restock_of(1, 5, "k"),
        40901,
        "幂等键冲突",
        "idempotency key conflict"
    );
    assert_eq!(service.balance(1).await, (7, 0));
}

#[tokio::test]
async fn get_stock_answers_the_balance_or_that_there_is_no_record() {
    let service = TestService::start().await;
    service.restock(7, 9).await;
    done!(service, deduct_stock, deduct_of(7, 2, 1, "d"));
    let reply = done!(service, get_stock, wire::GetStockRequest { book_id: 7 });
    assert_eq!(reply.stock, Some(stock(7, 7, 2, 2)));
    assert_refused!(
        service,
        get_stock,
        wire::GetStockRequest { book_id: 8 },
        40402,
        "库存记录不存在",
        "stock record not found"
    );
}

#[tokio::test]
async fn batch_get_stock_keeps_the_order_and_leaves_out_what_is_missing() {
    let service = TestService::start().await;
    for id in [1, 2, 3] {
        service.restock(id, 5).await;
    }
    let ask = |book_ids: Vec<u64>| wire::BatchGetStockRequest { book_ids };
    let reply = done!(service, batch_get_stock, ask(vec![3, 9, 1, 3]));
    assert_eq!(reply.stocks, [stock(3, 5, 0, 1), stock(1, 5, 0, 1)]);
    assert_eq!(done!(service, batch_get_stock, ask(vec![])).stocks, []);
    let most = done!(service, batch_get_stock, ask((1..=500).collect()));
    assert_eq!(most.stocks.len(), 3);
}

#[tokio::test]
async fn deduct_says_how_many_are_left_when_it_refuses() {
    let service = TestService::start().await;
    service.restock(1, 3).await;
    assert_refused!(
        service,
        deduct_stock,
        deduct_of(1, 4, 1, "d"),
        40100,
        "库存不足",
        "insufficient stock"
    );
    let reply = service
        .client
        .clone()
        .deduct_stock(deduct_of(1, 4, 1, "d"))
        .await
        .unwrap();
    assert_eq!(reply.into_inner().remaining_quantity, 3);
    let reply = service
        .client
        .clone()
        .deduct_stock(deduct_of(2, 4, 1, "d"))
        .await
        .unwrap();
    assert_eq!(reply.into_inner().remaining_quantity, 0);
    assert_eq!(
        done!(service, deduct_stock, deduct_of(1, 3, 1, "d")).remaining_quantity,
        0
    );
    assert_refused!(
        service,
        deduct_stock,
        deduct_of(1, 2, 1, "d"),
        40901,
        "幂等键冲突",
        "idempotency key conflict"
    );
    done!(service, batch_release_stock, batch_release_of("d"));
    assert_refused!(
        service,
        deduct_stock,
        deduct_of(1, 3, 1, "d"),
        40904,
        "该扣减已被取消",
        "deduction was cancelled"
    );
}

#[tokio::test]
async fn release_is_bounded_and_needs_a_record() {
    let service = TestService::start().await;
    assert_refused!(
        service,
        release_stock,
        release_of(1, 1, 1, ""),
        40402,
        "库存记录不存在",
        "stock record not found"
    );
    service.restock(1, 10).await;
    assert_eq!(
        done!(service, release_stock, release_of(1, 1, 1, "")).new_quantity,
        10
    );
    done!(service, deduct_stock, deduct_of(1, 4, 1, "d"));
    assert_refused!(
        service,
        release_stock,
        release_of(1, 5, 1, ""),
        40902,
        "释放数量超过已扣减数量",
        "releases more than was deducted"
    );
    assert_refused!(
        service,
        release_stock,
        release_of(1, 1, 1, "d"),
        40901,
        "幂等键冲突",
        "idempotency key conflict"
    );
    assert_eq!(
        done!(service, release_stock, release_of(1, 3, 1, "r")).new_quantity,
        9
    );
    assert_eq!(service.balance(1).await, (9, 1));
}

#[tokio::test]
async fn batch_deduct_names_the_first_short_book() {
    let service = TestService::start().await;
    service.restock(1, 10).await;
    service.restock(2, 1).await;
    let short = || batch_of(&[(1, 1), (2, 1), (3, 1), (2, 1)], 5, "b");
    assert_refused!(
        service,
        batch_deduct_stock,
        short(),
        40100,
        "库存不足",
        "insufficient stock"
    );
    let reply = service
        .client
        .clone()
        .batch_deduct_stock(short())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((reply.failed_book_id, reply.stocks), (2, vec![]));
    assert_eq!(service.balance(1).await, (10, 0));
    done!(
        service,
        batch_deduct_stock,
        batch_of(&[(2, 1), (1, 1)], 5, "b")
    );
    assert_refused!(
        service,
        batch_deduct_stock,
        batch_of(&[(2, 1)], 5, "b"),
        40901,
        "幂等键冲突",
        "idempotency key conflict"
    );
    done!(service, batch_release_stock, batch_release_of("b"));
    assert_refused!(
        service,
        batch_deduct_stock,
        batch_of(&[(1, 1), (2, 1)], 5, "b"),
        40904,
        "该扣减已被取消",
        "deduction was cancelled"
    );
}

#[tokio::test]
async fn batch_release_gives_back_and_fences_whatever_it_finds() {
    let service = TestService::start().await;
    service.restock(1, 10).await;
    service.restock(2, 10).await;
    done!(
        service,
        batch_deduct_stock,
        batch_of(&[(2, 2), (1, 3)], 5, "b")
    );
    let reply = done!(service, batch_release_stock, batch_release_of("b"));
    assert_eq!(reply.released, [item(1, 3), item(2, 2)]);
    assert_eq!(
        done!(service, batch_release_stock, batch_release_of("never")).released,
        []
    );
    assert_refused!(
        service,
        batch_deduct_stock,
        batch_of(&[(1, 1)], 5, "never"),
        40904,
        "该扣减已被取消",
        "deduction was cancelled"
    );
    done!(service, restock_inventory, restock_of(1, 1, "restock"));
    assert_refused!(
        service,
        batch_release_stock,
        batch_release_of("restock"),
        40901,
        "幂等键冲突",
        "idempotency key conflict"
    );
    assert_eq!(service.balance(1).await, (11, 0));
}

#[tokio::test]
async fn commit_lets_the_goods_leave_and_never_fences() {
    let service = TestService::start().await;
    service.restock(1, 10).await;
    assert_eq!(done!(service, commit_stock, commit_of("b")).committed, []);
    done!(service, batch_deduct_stock, batch_of(&[(1, 3)], 5, "b"));
    assert_eq!(
        done!(service, commit_stock, commit_of("b")).committed,
        [item(1, 3)]
    );
    assert_eq!(service.balance(1).await, (7, 0));
    assert_eq!(
        done!(service, batch_release_stock, batch_release_of("b")).released,
        []
    );
    let again = done!(service, batch_deduct_stock, batch_of(&[(1, 3)], 5, "b"));
    assert_eq!(again.stocks, [stock(1, 7, 3, 2)]);
    done!(service, restock_inventory, restock_of(1, 1, "restock"));
    assert_refused!(
        service,
        commit_stock,
        commit_of("restock"),
        40901,
        "幂等键冲突",
        "idempotency key conflict"
    );
}
