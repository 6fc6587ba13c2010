//! Proves reads by id, by page and in batches: order, totals, what is missing, bad requests.

use api::catalog::v1::{
    BatchGetBooksRequest, GetBookRequest, ListBooksRequest, ListBooksResponse, UnpublishBookRequest,
};

use crate::harness::{Client, bad_fields, book, english, publish, serve};

async fn list(client: &mut Client, page: i32, page_size: i32) -> (Vec<u64>, i64) {
    let request = ListBooksRequest { page, page_size };
    let reply: ListBooksResponse = client.list_books(request).await.unwrap().into_inner();
    assert_eq!((reply.code, reply.message.as_str()), (0, ""));
    (
        reply.books.into_iter().map(|book| book.id).collect(),
        reply.total,
    )
}

async fn batch_get(client: &mut Client, book_ids: Vec<u64>) -> Vec<u64> {
    let request = BatchGetBooksRequest { book_ids };
    let reply = client.batch_get_books(request).await.unwrap().into_inner();
    assert_eq!((reply.code, reply.message.as_str()), (0, ""));
    reply.books.into_iter().map(|book| book.id).collect()
}

#[tokio::test]
async fn a_book_that_is_not_there_is_40400_in_both_languages() {
    let (mut catalog, _home) = serve().await;
    let request = GetBookRequest { book_id: 1 };
    let reply = catalog.client.get_book(request).await.unwrap().into_inner();
    assert_eq!(
        (reply.code, reply.message.as_str(), reply.book),
        (40400, "图书不存在", None)
    );
    let reply = catalog
        .client
        .get_book(english(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (reply.code, reply.message.as_str()),
        (40400, "book not found")
    );
    for id in [0, (1 << 53) + 1, u64::MAX] {
        let bad = catalog
            .client
            .get_book(GetBookRequest { book_id: id })
            .await;
        assert_eq!(bad_fields(bad), ["book_id"], "{id}");
    }
}

#[tokio::test]
async fn a_missing_book_is_found_once_it_is_published() {
    let (mut catalog, _home) = serve().await;
    let request = GetBookRequest { book_id: 1 };
    assert_eq!(
        catalog
            .client
            .get_book(request)
            .await
            .unwrap()
            .into_inner()
            .code,
        40400
    );
    publish(&mut catalog.client, book(1, "三体", "")).await;
    assert_eq!(
        catalog
            .client
            .get_book(request)
            .await
            .unwrap()
            .into_inner()
            .code,
        0
    );
}

#[tokio::test]
async fn lists_go_by_ascending_id_in_pages_with_the_total() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    assert_eq!(list(client, 0, 0).await, (vec![], 0));
    for id in (1..=45).rev() {
        publish(client, book(id, "书", "")).await;
    }
    client
        .unpublish_book(UnpublishBookRequest { book_id: 2 })
        .await
        .unwrap();
    let published: Vec<u64> = (1..=45).filter(|id| *id != 2).collect();
    assert_eq!(list(client, 0, 0).await, (published[..20].to_vec(), 44));
    assert_eq!(list(client, 1, 20).await, (published[..20].to_vec(), 44));
    assert_eq!(list(client, 3, 20).await, (published[40..].to_vec(), 44));
    assert_eq!(list(client, 1, 100).await, (published.clone(), 44));
    assert_eq!(list(client, 9, 20).await, (vec![], 44));
    assert_eq!(list(client, i32::MAX, 100).await, (vec![], 44));

    let bad = client
        .list_books(ListBooksRequest {
            page: -1,
            page_size: 101,
        })
        .await;
    assert_eq!(bad_fields(bad), ["page", "page_size"]);
}

#[tokio::test]
async fn batches_are_answered_in_the_order_asked_each_book_once() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    for id in 1..=5 {
        publish(client, book(id, "书", "")).await;
    }
    client
        .unpublish_book(UnpublishBookRequest { book_id: 3 })
        .await
        .unwrap();
    assert_eq!(batch_get(client, vec![5, 9, 3, 5, 1, 3]).await, [5, 3, 1]);
    assert_eq!(batch_get(client, vec![]).await, Vec::<u64>::new());
    assert_eq!(
        batch_get(client, (1..=500).rev().collect()).await,
        [5, 4, 3, 2, 1]
    );

    let request = BatchGetBooksRequest {
        book_ids: vec![3, 1],
    };
    let books = client
        .batch_get_books(request)
        .await
        .unwrap()
        .into_inner()
        .books;
    assert_eq!(
        books
            .iter()
            .map(|book| book.unpublished)
            .collect::<Vec<_>>(),
        [true, false]
    );
}

#[tokio::test]
async fn a_bad_batch_names_its_bad_ids() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    let request = BatchGetBooksRequest {
        book_ids: vec![1, 0, 2, u64::MAX],
    };
    assert_eq!(
        bad_fields(client.batch_get_books(request).await),
        ["book_ids[1]", "book_ids[3]"]
    );
    let request = BatchGetBooksRequest {
        book_ids: vec![1; 501],
    };
    assert_eq!(
        bad_fields(client.batch_get_books(request).await),
        ["book_ids"]
    );
}
