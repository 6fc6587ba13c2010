//! The cells of `PublishBook`.

use anyhow::ensure;
use api::catalog::v1::{Book, PublishBookRequest};
use bookstore_e2e::Clients;
use bookstore_e2e::goods::book;

use super::{NOBODY, book_of, with_isbn};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("PublishBook", Success, publish_book),
        cell("PublishBook", Code(40903), publish_book_that_exists),
        cell("PublishBook", BadInput, publish_bad_books),
        cell("PublishBook", Repeat, publish_book_again),
    ]
}

async fn publish_book(clients: Clients) -> anyhow::Result<()> {
    // Everything at its largest, and trimmed.
    let largest = Book {
        title: format!("  {}  ", "书".repeat(200)),
        author: "者".repeat(100),
        isbn: "978-0-00-000000-1   ".to_owned(),
        price: 1_000_000_000_000,
        description: format!("{}\n\t", "d".repeat(65_533)),
        ..Book::default()
    };
    let reply = clients
        .done(PublishBookRequest {
            book: Some(largest),
        })
        .await?;
    let got = book_of(&clients, reply.book_id).await?;
    ensure!(
        got.title == "书".repeat(200) && got.isbn == "978-0-00-000000-1",
        "{got:?}"
    );
    ensure!(!got.unpublished && got.created_at > 0, "{got:?}");
    // A given id is used; a free book is a book.
    let id = NOBODY + 1;
    ensure!(clients.done(book(id, "送的书", 0)).await?.book_id == id);
    ensure!(book_of(&clients, id).await?.price == 0);
    Ok(())
}

async fn publish_book_that_exists(clients: Clients) -> anyhow::Result<()> {
    let id = clients.publish("先来的书", 100).await?;
    clients
        .refused(
            book(id, "后来的书", 100),
            40903,
            "图书ID已存在",
            "book id exists",
        )
        .await?;
    clients.done(with_isbn(0, "7-02-000220-X")).await?;
    // Hyphens, blanks and case do not make it another ISBN.
    let twin = with_isbn(0, "702 000220x");
    clients
        .refused(twin, 40903, "ISBN已存在", "ISBN exists")
        .await?;
    ensure!(book_of(&clients, id).await?.title == "先来的书");
    Ok(())
}

async fn publish_bad_books(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(PublishBookRequest { book: None }, &["book"])
        .await?;
    let worst = Book {
        id: ID_TOO_LARGE,
        title: " ".to_owned(),
        author: "a".repeat(101),
        isbn: "1".repeat(21),
        price: -1,
        description: "nul \0".to_owned(),
        ..Book::default()
    };
    let all = [
        "book.id",
        "book.title",
        "book.author",
        "book.isbn",
        "book.price",
        "book.description",
    ];
    clients
        .malformed(PublishBookRequest { book: Some(worst) }, &all)
        .await?;
    let fine = Book {
        title: "书".to_owned(),
        author: "者".to_owned(),
        ..Book::default()
    };
    let cases = [
        (
            Book {
                title: "书".repeat(201),
                ..fine.clone()
            },
            "book.title",
        ),
        (
            Book {
                title: "a\tb".to_owned(),
                ..fine.clone()
            },
            "book.title",
        ),
        (
            Book {
                author: String::new(),
                ..fine.clone()
            },
            "book.author",
        ),
        (
            Book {
                price: 1_000_000_000_001,
                ..fine.clone()
            },
            "book.price",
        ),
        (
            Book {
                description: "d".repeat(65_536),
                ..fine
            },
            "book.description",
        ),
    ];
    for (book, field) in cases {
        clients
            .malformed(PublishBookRequest { book: Some(book) }, &[field])
            .await?;
    }
    Ok(())
}

async fn publish_book_again(clients: Clients) -> anyhow::Result<()> {
    let request = with_isbn(0, "978-0-00-000000-2");
    let id = clients.done(request.clone()).await?.book_id;
    let before = book_of(&clients, id).await?;
    clients.said(request, None, 40903, "ISBN已存在").await?;
    ensure!(book_of(&clients, id).await? == before);
    Ok(())
}
