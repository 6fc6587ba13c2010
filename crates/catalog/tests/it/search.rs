//! Proves search on the wire: found soon after publication, after updates by the new words
//! alone, pages, bad requests, and all of it again after a restart.

use api::catalog::v1::{Book, SearchBooksRequest, UpdateBookRequest};

use crate::harness::{
    Catalog, Home, bad_fields, book, find, mask, publish, serve, serve_on, until_found,
};

async fn publish_some(catalog: &mut Catalog) {
    for (id, title, author, isbn) in [
        (1, "Go微服务实战", "张三", "978-7-111-54742-6"),
        (2, "三体", "刘慈欣", ""),
        (3, "三体全集", "刘慈欣", ""),
        (4, "活着", "余华", ""),
        (
            5,
            "Harry Potter and the Sorcerer's Stone",
            "J.K. Rowling",
            "",
        ),
    ] {
        let book = Book {
            author: author.to_owned(),
            ..book(id, title, isbn)
        };
        publish(&mut catalog.client, book).await;
    }
    until_found(&catalog.client, "harry", &[5]).await;
}

#[tokio::test]
async fn chinese_english_and_isbns_are_found() {
    let (mut catalog, _home) = serve().await;
    publish_some(&mut catalog).await;
    let cases: [(&str, &[u64]); 8] = [
        ("微服务", &[1]),
        ("GO", &[1]),
        (" 三体 ", &[2, 3]),
        ("余华", &[4]),
        ("harry pot", &[5]),
        ("rowling", &[5]),
        ("9787111547426", &[1]),
        ("没有", &[]),
    ];
    for (keyword, ids) in cases {
        assert_eq!(find(&mut catalog.client, keyword).await, ids, "{keyword}");
    }
}

#[tokio::test]
async fn an_updated_book_is_found_by_its_new_words_with_its_new_price() {
    let (mut catalog, _home) = serve().await;
    publish_some(&mut catalog).await;
    let request = UpdateBookRequest {
        book: Some(Book {
            price: 9,
            ..book(2, "球状闪电", "")
        }),
        update_mask: Some(mask(&["title", "price"])),
    };
    catalog.client.update_book(request).await.unwrap();
    until_found(&catalog.client, "闪电", &[2]).await;
    assert_eq!(find(&mut catalog.client, "三体").await, [3]);
    let request = SearchBooksRequest {
        keyword: "闪电".to_owned(),
        ..Default::default()
    };
    let reply = catalog
        .client
        .search_books(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((reply.total, reply.books[0].price), (1, 9));
}

#[tokio::test]
async fn pages_of_a_search_keep_the_total() {
    let (mut catalog, _home) = serve().await;
    for id in 1..=5 {
        publish(&mut catalog.client, book(id, "同名", "")).await;
    }
    until_found(&catalog.client, "同名", &[1, 2, 3, 4, 5]).await;
    for (page, ids) in [
        (1, vec![1, 2]),
        (3, vec![5]),
        (4, vec![]),
        (i32::MAX, vec![]),
    ] {
        let request = SearchBooksRequest {
            keyword: "同名".to_owned(),
            page,
            page_size: 2,
        };
        let reply = catalog
            .client
            .search_books(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(reply.total, 5);
        assert_eq!(
            reply.books.iter().map(|book| book.id).collect::<Vec<_>>(),
            ids
        );
    }
}

#[tokio::test]
async fn a_bad_search_names_each_bad_field() {
    let (mut catalog, _home) = serve().await;
    let long = "书".repeat(201);
    for keyword in ["", "  \u{3000}", "a\0b", &long] {
        let request = SearchBooksRequest {
            keyword: keyword.to_owned(),
            page: -1,
            page_size: 101,
        };
        let fields = bad_fields(catalog.client.search_books(request).await);
        assert_eq!(fields, ["keyword", "page", "page_size"], "{keyword:?}");
    }
}

#[tokio::test]
async fn a_restart_loses_no_book_and_finds_them_all_at_once() {
    let home = Home::new().await;
    let mut catalog = serve_on(&home).await;
    publish_some(&mut catalog).await;
    catalog.server.stop().await.unwrap();

    let mut catalog = serve_on(&home).await;
    // Ready means ready: no waiting here.
    assert_eq!(find(&mut catalog.client, "三体").await, [2, 3]);
    assert_eq!(publish(&mut catalog.client, book(0, "新", "")).await, 6);
}
