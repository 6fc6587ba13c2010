//! Proves that every kind of change, sent twice at once, and again after all that came later and a
//! restart, happens once and answers the same; a deduction that was released meanwhile is refused.

use api::inventory::v1 as wire;

use crate::harness::{
    Client, TestService, batch_of, batch_release_of, commit_of, deduct_of, release_of, restock_of,
};

/// All answers of one round of deliveries.
#[derive(Debug, PartialEq)]
struct Answers {
    restock: wire::RestockInventoryResponse,
    deduct: wire::DeductStockResponse,
    release: wire::ReleaseStockResponse,
    kept: wire::BatchDeductStockResponse,
    returned: wire::BatchReleaseStockResponse,
    shipped: wire::CommitStockResponse,
}

/// Delivers each message as many times as `copies` says, at once; all copies answer the same.
async fn deliver(client: &Client, copies: usize) -> Answers {
    macro_rules! storm {
        ($method:ident, $request:expr) => {{
            let calls = (0..copies).map(|_| {
                let mut client = client.clone();
                async move { client.$method($request).await.unwrap().into_inner() }
            });
            let mut answers = futures::future::join_all(calls).await;
            answers.dedup();
            assert_eq!(answers.len(), 1, "{answers:?}");
            answers.remove(0)
        }};
    }
    Answers {
        restock: storm!(restock_inventory, restock_of(1, 100, "restock")),
        deduct: storm!(deduct_stock, deduct_of(1, 10, 7, "deduct")),
        release: storm!(release_stock, release_of(1, 3, 7, "release")),
        kept: storm!(batch_deduct_stock, batch_of(&[(1, 5)], 8, "kept")),
        returned: storm!(batch_release_stock, batch_release_of("deduct")),
        shipped: storm!(commit_stock, commit_of("kept")),
    }
}

/// Sends the deduction that was released meanwhile: it must not come through.
async fn assert_fenced(client: &Client) {
    for request in [
        deduct_of(1, 10, 7, "deduct"),
        deduct_of(1, 10, 7, "never-came"),
    ] {
        let reply = client
            .clone()
            .deduct_stock(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(reply.code, 40904);
    }
}

#[tokio::test]
async fn every_change_sent_twice_and_late_happens_once() {
    let service = TestService::start().await;
    let client = &service.client;
    let first = deliver(client, 2).await;
    assert_eq!(first.restock.new_quantity, 100);
    assert_eq!(first.deduct.remaining_quantity, 90);
    assert_eq!(first.release.new_quantity, 93);
    assert_eq!(first.kept.stocks[0].quantity, 88);
    assert_eq!(
        first.returned.released,
        [wire::StockItem {
            book_id: 1,
            quantity: 7
        }]
    );
    assert_eq!(
        first.shipped.committed,
        [wire::StockItem {
            book_id: 1,
            quantity: 5
        }]
    );
    client
        .clone()
        .batch_release_stock(batch_release_of("never-came"))
        .await
        .unwrap();
    assert_fenced(client).await;
    assert_eq!(service.balance(1).await, (95, 0));

    let service = service.restart().await;
    let client = &service.client;
    assert_fenced(client).await;
    let late = client
        .clone()
        .restock_inventory(restock_of(1, 100, "restock"))
        .await
        .unwrap();
    assert_eq!(late.into_inner(), first.restock);
    let late = client
        .clone()
        .release_stock(release_of(1, 3, 7, "release"))
        .await
        .unwrap();
    assert_eq!(late.into_inner(), first.release);
    let late = client
        .clone()
        .batch_deduct_stock(batch_of(&[(1, 5)], 8, "kept"))
        .await
        .unwrap();
    assert_eq!(late.into_inner(), first.kept);
    let late = client
        .clone()
        .batch_release_stock(batch_release_of("deduct"))
        .await
        .unwrap();
    assert_eq!(late.into_inner(), first.returned);
    let late = client
        .clone()
        .commit_stock(commit_of("kept"))
        .await
        .unwrap();
    assert_eq!(late.into_inner(), first.shipped);
    assert_eq!(service.balance(1).await, (95, 0));
    service.stop().await;
}

#[tokio::test]
async fn a_deduction_repeated_after_the_last_copy_was_sold_hears_its_first_answer() {
    let service = TestService::start().await;
    let client = &service.client;
    service.restock(1, 3).await;
    let first = client
        .clone()
        .deduct_stock(deduct_of(1, 2, 1, "first"))
        .await
        .unwrap();
    client
        .clone()
        .deduct_stock(deduct_of(1, 1, 2, "last"))
        .await
        .unwrap();
    let sold_out = client
        .clone()
        .deduct_stock(deduct_of(1, 1, 3, "none"))
        .await
        .unwrap();
    assert_eq!(sold_out.into_inner().code, 40100);
    let again = client
        .clone()
        .deduct_stock(deduct_of(1, 2, 1, "first"))
        .await
        .unwrap();
    assert_eq!(again.into_inner(), first.into_inner());
}
