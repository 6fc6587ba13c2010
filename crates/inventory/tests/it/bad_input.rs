//! Proves that a malformed request is answered `INVALID_ARGUMENT`, names each bad field, and
//! changes nothing.

use api::inventory::v1 as wire;

use crate::harness::{
    Client, TestService, batch_of, batch_release_of, blamed, commit_of, deduct_of, release_of,
    restock_of,
};

const TOO_LARGE: u64 = (1 << 53) + 1;

async fn deduct(client: &Client, request: wire::DeductStockRequest) -> Vec<String> {
    blamed(client.clone().deduct_stock(request).await)
}

async fn batch(client: &Client, request: wire::BatchDeductStockRequest) -> Vec<String> {
    blamed(client.clone().batch_deduct_stock(request).await)
}

#[tokio::test]
async fn each_bad_field_of_a_deduction_is_named() {
    let service = TestService::start().await;
    service.restock(1, 10).await;
    let client = &service.client;
    let long = "k".repeat(65);
    let longer_than_it_looks = "库".repeat(22);
    let cases = [
        (deduct_of(0, 1, 1, "k"), "book_id"),
        (deduct_of(TOO_LARGE, 1, 1, "k"), "book_id"),
        (deduct_of(1, 0, 1, "k"), "quantity"),
        (deduct_of(1, -1, 1, "k"), "quantity"),
        (deduct_of(1, i32::MIN, 1, "k"), "quantity"),
        (deduct_of(1, 1, TOO_LARGE, "k"), "reference_id"),
        (deduct_of(1, 1, 1, ""), "idempotency_key"),
        (deduct_of(1, 1, 1, &long), "idempotency_key"),
        (deduct_of(1, 1, 1, &longer_than_it_looks), "idempotency_key"),
        (deduct_of(1, 1, 1, "a\0b"), "idempotency_key"),
        (deduct_of(1, 1, 1, "a\n"), "idempotency_key"),
    ];
    for (request, field) in cases {
        assert_eq!(
            deduct(client, request.clone()).await,
            [field],
            "{request:?}"
        );
    }
    let all = deduct(client, deduct_of(0, 0, TOO_LARGE, "")).await;
    assert_eq!(
        all,
        ["book_id", "quantity", "reference_id", "idempotency_key"]
    );
    assert_eq!(service.balance(1).await, (10, 0));
}

#[tokio::test]
async fn the_longest_key_and_the_largest_ids_are_fine() {
    let service = TestService::start().await;
    let largest = TOO_LARGE - 1;
    service.restock(largest, 10).await;
    let request = deduct_of(largest, 10, largest, &"k".repeat(64));
    let reply = service
        .client
        .clone()
        .deduct_stock(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((reply.code, reply.remaining_quantity), (0, 0));
    let request = deduct_of(largest, 1, 0, " ");
    assert_eq!(
        service
            .client
            .clone()
            .deduct_stock(request)
            .await
            .unwrap()
            .into_inner()
            .code,
        40100
    );
}

#[tokio::test]
async fn each_bad_field_of_a_batch_is_named() {
    let service = TestService::start().await;
    service.restock(1, 10).await;
    let client = &service.client;
    let cases = [
        (batch_of(&[], 1, "k"), vec!["items"]),
        (batch_of(&[(1, 1); 101], 1, "k"), vec!["items"]),
        (
            batch_of(&[(1, 1), (0, 1)], 1, "k"),
            vec!["items[1].book_id"],
        ),
        (
            batch_of(&[(1, 0), (TOO_LARGE, 1)], 1, "k"),
            vec!["items[0].quantity", "items[1].book_id"],
        ),
        (
            batch_of(&[(1, i32::MAX), (2, 1), (1, 1)], 1, "k"),
            vec!["items[2].quantity"],
        ),
        (
            batch_of(&[(1, 1)], TOO_LARGE, ""),
            vec!["idempotency_key", "reference_id"],
        ),
    ];
    for (request, fields) in cases {
        assert_eq!(batch(client, request.clone()).await, fields, "{request:?}");
    }
    let full = client
        .clone()
        .batch_deduct_stock(batch_of(&[(1, 1); 100], 1, "k"))
        .await
        .unwrap();
    assert_eq!(full.into_inner().code, 40100);
    assert_eq!(service.balance(1).await, (10, 0));
}

#[tokio::test]
async fn each_bad_field_of_the_other_methods_is_named() {
    let service = TestService::start().await;
    let client = &service.client;
    let long = "k".repeat(65);
    assert_eq!(
        blamed(
            client
                .clone()
                .restock_inventory(restock_of(0, 0, &long))
                .await
        ),
        ["book_id", "quantity", "idempotency_key"]
    );
    assert_eq!(
        blamed(
            client
                .clone()
                .release_stock(release_of(0, 0, TOO_LARGE, &long))
                .await
        ),
        ["book_id", "quantity", "reference_id", "idempotency_key"]
    );
    for key in ["", long.as_str(), "\u{7f}"] {
        let release = client
            .clone()
            .batch_release_stock(batch_release_of(key))
            .await;
        assert_eq!(blamed(release), ["idempotency_key"]);
        let commit = client.clone().commit_stock(commit_of(key)).await;
        assert_eq!(blamed(commit), ["idempotency_key"]);
    }
    let get = client
        .clone()
        .get_stock(wire::GetStockRequest { book_id: 0 })
        .await;
    assert_eq!(blamed(get), ["book_id"]);
    let batch_get = |book_ids| client.clone().batch_get_stock_once(book_ids);
    assert_eq!(
        batch_get(vec![1, 0, TOO_LARGE]).await,
        ["book_ids[1]", "book_ids[2]"]
    );
    assert_eq!(batch_get(vec![1; 501]).await, ["book_ids"]);
}

#[tokio::test]
async fn copies_that_would_leave_32_bits_are_a_bad_quantity() {
    let service = TestService::start().await;
    service.restock(1, i32::MAX).await;
    let deducted = service
        .client
        .clone()
        .deduct_stock(deduct_of(1, 5, 1, "d"))
        .await
        .unwrap();
    assert_eq!(deducted.into_inner().code, 0);
    let restock = service
        .client
        .clone()
        .restock_inventory(restock_of(1, 1, "r"))
        .await;
    assert_eq!(blamed(restock), ["quantity"]);
    assert_eq!(service.balance(1).await, (i32::MAX - 5, 5));
}

trait BatchGetOnce {
    async fn batch_get_stock_once(self, book_ids: Vec<u64>) -> Vec<String>;
}

impl BatchGetOnce for Client {
    async fn batch_get_stock_once(mut self, book_ids: Vec<u64>) -> Vec<String> {
        blamed(
            self.batch_get_stock(wire::BatchGetStockRequest { book_ids })
                .await,
        )
    }
}
