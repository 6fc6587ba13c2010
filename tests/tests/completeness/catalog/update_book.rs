//! The cells of `UpdateBook`.

use anyhow::{Context, ensure};
use api::catalog::v1::{Book, UnpublishBookRequest, UpdateBookRequest};
use bookstore_e2e::Clients;
use prost_types::FieldMask;
use testkit::eventually;

use super::{NOBODY, book_of, with_isbn};
use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, cell};

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("UpdateBook", Success, update_book),
        cell("UpdateBook", Code(40400), update_no_book),
        cell("UpdateBook", Code(40903), update_to_a_taken_isbn),
        cell("UpdateBook", BadInput, update_to_bad_values),
        cell("UpdateBook", Repeat, update_book_again),
    ]
}

async fn update_book(clients: Clients) -> anyhow::Result<()> {
    let id = clients.stocked(100, 10).await?;
    let placed = clients.place(1, &[(id, 1)]).await?;
    // Only what the mask names changes.
    let change = Book {
        id,
        title: "新书名".to_owned(),
        price: 250,
        ..Book::default()
    };
    let reply = clients.done(update(change, &["price"])).await?;
    let answered = reply.book.context("no book")?;
    ensure!(
        (answered.price, answered.title.as_str()) == (250, "货架上的书"),
        "{answered:?}"
    );
    // An old price is seen nowhere a second later, here and in new orders; old orders keep theirs.
    eventually("the new price is read", || async {
        book_of(&clients, id)
            .await
            .ok()
            .filter(|book| book.price == 250)
    })
    .await;
    eventually("the new price is charged", || async {
        clients
            .place(1, &[(id, 1)])
            .await
            .ok()
            .filter(|placed| placed.total == 250)
    })
    .await;
    ensure!(clients.order_of(&placed.no).await?.total == 100);
    // No mask means every field; unpublished books change too.
    clients.done(UnpublishBookRequest { book_id: id }).await?;
    let whole = Book {
        id,
        title: "全新".to_owned(),
        author: "新作者".to_owned(),
        price: 300,
        ..Book::default()
    };
    let answered = clients
        .done(update(whole, &[]))
        .await?
        .book
        .context("no book")?;
    ensure!(
        (answered.title.as_str(), answered.price) == ("全新", 300),
        "{answered:?}"
    );
    ensure!(answered.unpublished, "{answered:?}");
    Ok(())
}

async fn update_no_book(clients: Clients) -> anyhow::Result<()> {
    let change = Book {
        id: NOBODY,
        price: 1,
        ..Book::default()
    };
    clients
        .refused(
            update(change, &["price"]),
            40400,
            "图书不存在",
            "book not found",
        )
        .await?;
    Ok(())
}

async fn update_to_a_taken_isbn(clients: Clients) -> anyhow::Result<()> {
    clients.done(with_isbn(0, "978-0-00-000000-4")).await?;
    let id = clients.publish("无号", 1).await?;
    let change = Book {
        id,
        isbn: "9780000000004".to_owned(),
        ..Book::default()
    };
    clients
        .refused(
            update(change, &["isbn"]),
            40903,
            "ISBN已存在",
            "ISBN exists",
        )
        .await?;
    ensure!(book_of(&clients, id).await?.isbn.is_empty());
    Ok(())
}

async fn update_to_bad_values(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(
            UpdateBookRequest {
                book: None,
                update_mask: None,
            },
            &["book"],
        )
        .await?;
    let id = clients.publish("坏不了", 1).await?;
    let fine = Book {
        id,
        title: "书".to_owned(),
        author: "者".to_owned(),
        ..Book::default()
    };
    let nobody = Book {
        id: 0,
        ..fine.clone()
    };
    clients.malformed(update(nobody, &[]), &["book.id"]).await?;
    let path = update(fine.clone(), &["title", "unpublished"]);
    clients.malformed(path, &["update_mask.paths[1]"]).await?;
    let worst = Book {
        title: String::new(),
        price: -1,
        ..fine.clone()
    };
    clients
        .malformed(update(worst.clone(), &[]), &["book.title", "book.price"])
        .await?;
    // What the mask leaves out is not looked at.
    clients
        .malformed(update(worst, &["price"]), &["book.price"])
        .await?;
    ensure!(book_of(&clients, id).await?.title == "坏不了");
    Ok(())
}

async fn update_book_again(clients: Clients) -> anyhow::Result<()> {
    let id = clients.publish("改两次", 1).await?;
    let change = Book {
        id,
        price: 2,
        ..Book::default()
    };
    let values = |book: Option<Book>| book.map(|b| (b.title, b.author, b.price, b.isbn));
    let first = clients.done(update(change.clone(), &["price"])).await?.book;
    let second = clients.done(update(change, &["price"])).await?.book;
    ensure!(values(first) == values(second));
    Ok(())
}

fn update(book: Book, paths: &[&str]) -> UpdateBookRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    UpdateBookRequest {
        book: Some(book),
        update_mask: Some(FieldMask { paths }),
    }
}
