//! Proves that nobody goes on reading what is outdated: not at another replica, not because of a slow
//! reader, not while changes cannot be followed; and that readers of one book share one query.

use std::sync::Arc;

use api::catalog::v1::{
    Book, GetBookRequest, SearchBooksRequest, UnpublishBookRequest, UpdateBookRequest,
};
use futures::future::join_all;
use platform::tasks::Tasks;
use testkit::TestDatabase;

use crate::failures::FaultyStore;
use crate::harness::{
    Client, Home, book, get, mask, open, publish, serve_on, serve_store, set_price, until_found,
};

/// Waits until this replica answers the price.
pub(crate) async fn until_price(client: &Client, id: u64, price: i64) {
    testkit::eventually(&format!("book {id} costs {price}"), async || {
        (get(&mut client.clone(), id).await.price == price).then_some(())
    })
    .await;
}

/// How many books `keyword` finds; asks for a page far beyond them, so that no book is read.
pub(crate) async fn count(client: &mut Client, keyword: &str) -> i64 {
    let request = SearchBooksRequest {
        keyword: keyword.to_owned(),
        page: 1000,
        page_size: 0,
    };
    client
        .search_books(request)
        .await
        .unwrap()
        .into_inner()
        .total
}

#[tokio::test]
async fn every_replica_reads_and_finds_what_one_of_them_wrote() {
    let home = Home::new().await;
    let mut here = serve_on(&home).await;
    let mut there = serve_on(&home).await;
    publish(&mut here.client, book(1, "三体", "")).await;
    until_found(&there.client, "三体", &[1]).await;
    assert_eq!(
        get(&mut there.client, 1).await.price,
        2300,
        "and now it is cached there"
    );

    set_price(&mut here.client, 1, 1).await;
    assert_eq!(
        get(&mut here.client, 1).await.price,
        1,
        "at once where it was written"
    );
    until_price(&there.client, 1, 1).await;

    set_price(&mut there.client, 1, 2).await;
    assert_eq!(get(&mut there.client, 1).await.price, 2);
    until_price(&here.client, 1, 2).await;

    here.client
        .unpublish_book(UnpublishBookRequest { book_id: 1 })
        .await
        .unwrap();
    until_found(&there.client, "三体", &[]).await;
    assert_eq!(publish(&mut there.client, book(0, "新", "")).await, 2);
    assert_eq!(publish(&mut here.client, book(0, "新", "")).await, 3);
}

#[tokio::test]
async fn a_slow_reader_cannot_put_an_old_price_back() {
    let home = TestDatabase::new().await.unwrap();
    let store = Arc::new(FaultyStore::over(open(&home).await));
    // Another replica on the same store, which writes past this one's cache.
    let mut other = serve_store(store.clone()).await;
    publish(&mut other.client, book(1, "旧", "")).await;
    let mut catalog = serve_store(store.clone()).await;

    let gate = store.hold_next_load();
    let mut slow = catalog.client.clone();
    let slow = Tasks::new().run("reader", async move { get(&mut slow, 1).await });
    gate.until_reached().await;
    let new = Book {
        price: 1,
        ..book(1, "新", "")
    };
    let paths = mask(&["title", "price"]);
    let request = UpdateBookRequest {
        book: Some(new),
        update_mask: Some(paths),
    };
    other.client.update_book(request).await.unwrap();
    testkit::eventually("this replica hears of the update", async || {
        (count(&mut catalog.client.clone(), "旧").await == 0).then_some(())
    })
    .await;
    gate.open();
    assert_eq!(
        slow.await.unwrap().price,
        2300,
        "it asked before the update"
    );

    assert_eq!(get(&mut catalog.client, 1).await.price, 1);
}

#[tokio::test]
async fn what_is_cached_is_not_answered_while_changes_cannot_be_followed() {
    let home = TestDatabase::new().await.unwrap();
    let store = Arc::new(FaultyStore::over(open(&home).await));
    let mut other = serve_store(store.clone()).await;
    let mut catalog = serve_store(store.clone()).await;
    publish(&mut catalog.client, book(1, "三体", "")).await;
    assert_eq!(get(&mut catalog.client, 1).await.price, 2300);

    store.break_changes(true);
    set_price(&mut other.client, 1, 1).await;
    until_price(&catalog.client, 1, 1).await;

    set_price(&mut other.client, 1, 2).await;
    store.break_changes(false);
    until_price(&catalog.client, 1, 2).await;
}

#[tokio::test]
async fn readers_of_one_book_share_their_queries() {
    let home = TestDatabase::new().await.unwrap();
    let store = Arc::new(FaultyStore::over(open(&home).await));
    let mut other = serve_store(store.clone()).await;
    publish(&mut other.client, book(1, "三体", "")).await;
    let catalog = serve_store(store.clone()).await;

    let gate = store.hold_next_load();
    let readers = (0..32).map(|_| {
        let mut client = catalog.client.clone();
        Tasks::new().run("reader", async move {
            client
                .get_book(GetBookRequest { book_id: 1 })
                .await
                .unwrap()
                .into_inner()
                .code
        })
    });
    let readers: Vec<_> = readers.collect();
    gate.until_reached().await;
    gate.open();
    for code in join_all(readers).await {
        assert_eq!(code.unwrap(), 0);
    }
    assert!(
        store.loads() <= 2,
        "the first, and one for all who came while it ran"
    );
}
