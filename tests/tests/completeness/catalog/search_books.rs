//! The cells of `SearchBooks`.

use anyhow::ensure;
use api::catalog::v1::SearchBooksRequest;
use bookstore_e2e::Clients;
use testkit::eventually;

use super::{search, with_isbn};
use crate::table::Aspect::{BadInput, Repeat, Success};
use crate::table::{Cell, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("SearchBooks", Success, search_books),
        cell("SearchBooks", BadInput, search_for_nothing),
        cell("SearchBooks", Repeat, search_books_again),
    ]
}

async fn search_books(clients: Clients) -> anyhow::Result<()> {
    let go = clients.publish("Go微服务实战完全指南", 100).await?;
    let mut english = with_isbn(0, "978-0-00-000000-3");
    if let Some(book) = &mut english.book {
        "The Quixotic Gardener".clone_into(&mut book.title);
        "Zebulon Quill".clone_into(&mut book.author);
    }
    let english = clients.done(english).await?.book_id;
    let cases = [
        ("微服务", go),
        ("go", go),
        ("完全指南", go),
        ("quixot", english),
        ("THE QUIXOTIC GARDENER", english),
        ("zebulon", english),
        ("9780000000003", english),
        ("978-0-00-000000-3", english),
    ];
    for (keyword, id) in cases {
        eventually(&format!("“{keyword}” finds book {id}"), || async {
            search(&clients, keyword)
                .await
                .ok()
                .filter(|found| found.contains(&id))
        })
        .await;
    }
    // An exact ISBN comes first, and nothing else has it.
    ensure!(search(&clients, "9780000000003").await?.first() == Some(&english));
    // English words match from their beginning only.
    ensure!(!search(&clients, "ardener").await?.contains(&english));
    Ok(())
}

async fn search_for_nothing(clients: Clients) -> anyhow::Result<()> {
    let keyword = |text: &str| SearchBooksRequest {
        keyword: text.to_owned(),
        page: 1,
        page_size: 1,
    };
    clients.malformed(keyword(""), &["keyword"]).await?;
    clients.malformed(keyword("  "), &["keyword"]).await?;
    let worst = SearchBooksRequest {
        keyword: String::new(),
        page: -1,
        page_size: 101,
    };
    clients
        .malformed(worst, &["keyword", "page", "page_size"])
        .await
}

async fn search_books_again(clients: Clients) -> anyhow::Result<()> {
    let id = clients.publish("唯独此书名曰镜花缘", 100).await?;
    eventually("镜花缘 is found", || async {
        search(&clients, "镜花缘")
            .await
            .ok()
            .filter(|found| found.contains(&id))
    })
    .await;
    ensure!(search(&clients, "镜花缘").await? == search(&clients, "镜花缘").await?);
    Ok(())
}
