//! Proves publishing, updating and unpublishing: success, every code in both languages, every bad
//! field by its path, repeats.

use std::collections::BTreeSet;
use std::time::Duration;

use api::catalog::v1::{
    Book, GetBookRequest, ListBooksRequest, PublishBookRequest, PublishBookResponse,
    UnpublishBookRequest, UpdateBookRequest, UpdateBookResponse,
};
use futures::future::join_all;
use tonic::{IntoRequest, Request};

use crate::harness::{
    Client, NOW, bad_fields, book, english, get, mask, publish, serve, set_price, until_found,
};

async fn try_publish(
    client: &mut Client,
    request: impl IntoRequest<PublishBookRequest>,
) -> PublishBookResponse {
    client.publish_book(request).await.unwrap().into_inner()
}

fn publication(book: Book) -> PublishBookRequest {
    PublishBookRequest { book: Some(book) }
}

fn update(book: Book, paths: &[&str]) -> UpdateBookRequest {
    UpdateBookRequest {
        book: Some(book),
        update_mask: Some(mask(paths)),
    }
}

async fn try_update(
    client: &mut Client,
    request: impl IntoRequest<UpdateBookRequest>,
) -> UpdateBookResponse {
    client.update_book(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_published_book_is_read_back_whole_and_trimmed() {
    let (mut catalog, _home) = serve().await;
    let wanted = Book {
        title: " Go微服务实战\u{3000}".to_owned(),
        description: "一\n\t二".to_owned(),
        // What the service sets itself is not taken from callers.
        created_at: 1,
        unpublished: true,
        ..book(1, "", "978-7-111-54742-6")
    };
    assert_eq!(publish(&mut catalog.client, wanted).await, 1);
    let read = get(&mut catalog.client, 1).await;
    let expected = Book {
        description: "一\n\t二".to_owned(),
        created_at: NOW.seconds(),
        updated_at: NOW.seconds(),
        ..book(1, "Go微服务实战", "978-7-111-54742-6")
    };
    assert_eq!(read, expected);
}

#[tokio::test]
async fn ids_are_taken_as_given_or_generated_after_them() {
    let (mut catalog, _home) = serve().await;
    let mut ids = Vec::new();
    for id in [1, 0, 1 << 53, 4, 0, 0] {
        ids.push(publish(&mut catalog.client, book(id, "书", "")).await);
    }
    assert_eq!(ids, [1, 2, 1 << 53, 4, 3, 5]);
}

#[tokio::test]
async fn an_id_or_an_isbn_that_exists_is_refused_in_both_languages() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    publish(client, book(7, "三体", "978-7-5366-9293-0")).await;
    let cases = [
        (book(7, "别的", ""), "图书ID已存在", "book id exists"),
        (
            book(7, "三体", "978-7-5366-9293-0"),
            "图书ID已存在",
            "book id exists",
        ),
        (
            book(0, "别的", "97875366 92930"),
            "ISBN已存在",
            "ISBN exists",
        ),
        (
            book(8, "别的", "9787536692930"),
            "ISBN已存在",
            "ISBN exists",
        ),
    ];
    for (book, zh, en) in cases {
        let reply = try_publish(client, publication(book.clone())).await;
        assert_eq!(
            (reply.code, reply.message.as_str(), reply.book_id),
            (40903, zh, 0)
        );
        let reply = try_publish(client, english(publication(book))).await;
        assert_eq!((reply.code, reply.message.as_str()), (40903, en));
    }
    assert_eq!(
        publish(client, book(0, "别的", "")).await,
        1,
        "refusals use no ids up"
    );
}

#[tokio::test]
async fn a_bad_publication_names_each_bad_field() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    let bad = Book {
        id: (1 << 53) + 1,
        title: String::new(),
        author: "\0".to_owned(),
        isbn: "9".repeat(21),
        price: -1,
        description: "a".repeat(65_536),
        ..Book::default()
    };
    let fields = bad_fields(client.publish_book(publication(bad)).await);
    let all = ["id", "title", "author", "isbn", "price", "description"];
    assert_eq!(fields, all.map(|field| format!("book.{field}")));
    let missing = client.publish_book(PublishBookRequest { book: None }).await;
    assert_eq!(bad_fields(missing), ["book"]);
}

#[tokio::test]
async fn many_at_once_get_ids_of_their_own_and_one_isbn_one_book() {
    let (catalog, _home) = serve().await;
    let all = (0..64).map(|number| {
        let mut client = catalog.client.clone();
        let isbn = if number % 2 == 0 { "978-0" } else { "" };
        async move { try_publish(&mut client, publication(book(0, "书", isbn))).await }
    });
    let replies = join_all(all).await;
    let ids: BTreeSet<u64> = replies
        .iter()
        .filter(|r| r.code == 0)
        .map(|r| r.book_id)
        .collect();
    assert_eq!(
        ids,
        (1..=33).collect(),
        "32 without an ISBN, and one with it"
    );
    assert_eq!(
        replies.iter().filter(|reply| reply.code == 40903).count(),
        31
    );
}

#[tokio::test]
async fn an_update_changes_the_fields_of_its_mask_alone() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    publish(client, book(1, "三体", "978")).await;
    catalog.clock.advance(Duration::from_secs(5));
    let rubbish = Book {
        id: 1,
        price: 99,
        title: "x".repeat(300),
        ..Book::default()
    };
    let reply = try_update(client, update(rubbish, &["price"])).await;
    let expected = Book {
        price: 99,
        created_at: NOW.seconds(),
        updated_at: NOW.seconds() + 5,
        ..book(1, "三体", "978")
    };
    assert_eq!((reply.code, reply.book.as_ref()), (0, Some(&expected)));
    assert_eq!(get(client, 1).await, expected, "visible at once");
}

#[tokio::test]
async fn an_empty_mask_changes_every_field_and_an_empty_isbn_takes_it_away() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    publish(client, book(1, "三体", "978")).await;
    let new = Book {
        author: "余华".to_owned(),
        price: 1,
        description: "新".to_owned(),
        ..book(1, "活着", "")
    };
    for request in [
        UpdateBookRequest {
            book: Some(new.clone()),
            update_mask: None,
        },
        update(new.clone(), &[]),
    ] {
        let changed = try_update(client, request).await.book.unwrap();
        let times = Book {
            created_at: 0,
            updated_at: 0,
            ..changed
        };
        assert_eq!(times, new);
    }
    assert_eq!(
        publish(client, book(2, "三体", "978")).await,
        2,
        "the ISBN is free again"
    );
}

#[tokio::test]
async fn an_update_sent_twice_changes_once() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    publish(client, book(1, "三体", "978")).await;
    let request = update(
        Book {
            isbn: "9-7-8".to_owned(),
            ..book(1, "三体", "")
        },
        &["isbn"],
    );
    let first = try_update(client, request.clone()).await;
    catalog.clock.advance(Duration::from_secs(5));
    assert_eq!(try_update(client, request).await, first);
    assert_eq!(
        first.book.unwrap().isbn,
        "9-7-8",
        "answered as it was given last"
    );
}

#[tokio::test]
async fn an_update_of_no_book_or_with_a_taken_isbn_is_refused_in_both_languages() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    publish(client, book(1, "三体", "978")).await;
    publish(client, book(2, "活着", "979")).await;
    let cases = [
        (
            update(book(9, "无", ""), &["title"]),
            40400,
            "图书不存在",
            "book not found",
        ),
        (
            update(book(2, "", "97-8"), &["isbn"]),
            40903,
            "ISBN已存在",
            "ISBN exists",
        ),
    ];
    for (request, code, zh, en) in cases {
        let reply = try_update(client, request.clone()).await;
        assert_eq!(
            (reply.code, reply.message.as_str(), reply.book),
            (code, zh, None)
        );
        let reply = try_update(client, english(request)).await;
        assert_eq!((reply.code, reply.message.as_str()), (code, en));
    }
}

#[tokio::test]
async fn a_bad_update_names_each_bad_field() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    publish(client, book(1, "三体", "")).await;
    let cases: [(UpdateBookRequest, &[&str]); 4] = [
        (UpdateBookRequest::default(), &["book"]),
        (update(book(0, "书", ""), &[]), &["book.id"]),
        (
            update(
                Book {
                    price: -1,
                    ..book(1, "", "")
                },
                &["title", "price"],
            ),
            &["book.title", "book.price"],
        ),
        (
            update(book(1, "书", ""), &["title", "unpublished", "book.price"]),
            &["update_mask.paths[1]", "update_mask.paths[2]"],
        ),
    ];
    for (request, fields) in cases {
        assert_eq!(bad_fields(client.update_book(request).await), fields);
    }
    assert_eq!(get(client, 1).await.title, "三体");
}

#[tokio::test]
async fn an_unpublished_book_is_gone_from_lists_and_search_but_not_from_reads() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    for (id, title) in [(1, "三体"), (2, "三体全集")] {
        publish(client, book(id, title, "")).await;
    }
    until_found(client, "三体", &[1, 2]).await;
    for _ in 0..2 {
        let request = UnpublishBookRequest { book_id: 1 };
        let reply = client.unpublish_book(request).await.unwrap().into_inner();
        assert_eq!((reply.code, reply.message.as_str()), (0, ""));
    }
    assert!(get(client, 1).await.unpublished);
    let list = client
        .list_books(ListBooksRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((list.total, list.books.len()), (1, 1));
    until_found(client, "三体", &[2]).await;

    // It can still be changed, and stays unpublished.
    set_price(client, 1, 5).await;
    let read = get(client, 1).await;
    assert_eq!((read.price, read.unpublished), (5, true));
    until_found(client, "三体", &[2]).await;
}

#[tokio::test]
async fn unpublishing_no_book_is_refused_and_no_id_is_a_bad_request() {
    let (mut catalog, _home) = serve().await;
    let client = &mut catalog.client;
    let request = UnpublishBookRequest { book_id: 1 };
    let reply = client.unpublish_book(request).await.unwrap().into_inner();
    assert_eq!((reply.code, reply.message.as_str()), (40400, "图书不存在"));
    let reply = client
        .unpublish_book(english(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(reply.message, "book not found");
    let bad = client
        .unpublish_book(UnpublishBookRequest { book_id: 0 })
        .await;
    assert_eq!(bad_fields(bad), ["book_id"]);
}

#[tokio::test]
async fn a_call_that_was_cut_off_leaves_a_whole_book_or_none() {
    let (mut catalog, _home) = serve().await;
    let mut late = Request::new(publication(book(1, "三体", "")));
    late.set_timeout(Duration::from_nanos(1));
    catalog.client.publish_book(late).await.unwrap_err();
    // Whatever became of it, the same call again settles it.
    let reply = try_publish(&mut catalog.client, publication(book(1, "三体", ""))).await;
    assert!(matches!(reply.code, 0 | 40903), "{reply:?}");
    let reply = catalog
        .client
        .get_book(GetBookRequest { book_id: 1 })
        .await
        .unwrap();
    assert_eq!(reply.into_inner().book.unwrap().title, "三体");
}
