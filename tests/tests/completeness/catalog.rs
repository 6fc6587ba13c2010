//! The catalog's cells.

use anyhow::{Context, ensure};
use api::catalog::v1::{
    BatchGetBooksRequest, Book, GetBookRequest, ListBooksRequest, PublishBookRequest,
    SearchBooksRequest, UnpublishBookRequest, UpdateBookRequest,
};
use bookstore_e2e::Clients;
use bookstore_e2e::goods::{book, order};
use prost_types::FieldMask;
use testkit::eventually;

use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell};

/// An id that no book has.
const NOBODY: u64 = 1 << 50;

pub(crate) fn cells() -> Vec<Cell> {
    vec![
        cell("PublishBook", Success, publish_book),
        cell("PublishBook", Code(40903), publish_book_that_exists),
        cell("PublishBook", BadInput, publish_bad_books),
        cell("PublishBook", Repeat, publish_book_again),
        cell("GetBook", Success, get_book),
        cell("GetBook", Code(40400), get_no_book),
        cell("GetBook", BadInput, get_bad_ids),
        cell("GetBook", Repeat, get_book_again),
        cell("ListBooks", Success, list_books),
        cell("ListBooks", BadInput, list_bad_pages),
        cell("ListBooks", Repeat, list_books_again),
        cell("SearchBooks", Success, search_books),
        cell("SearchBooks", BadInput, search_for_nothing),
        cell("SearchBooks", Repeat, search_books_again),
        cell("BatchGetBooks", Success, batch_get_books),
        cell("BatchGetBooks", BadInput, batch_get_bad_ids),
        cell("BatchGetBooks", Repeat, batch_get_books_again),
        cell("UpdateBook", Success, update_book),
        cell("UpdateBook", Code(40400), update_no_book),
        cell("UpdateBook", Code(40903), update_to_a_taken_isbn),
        cell("UpdateBook", BadInput, update_to_bad_values),
        cell("UpdateBook", Repeat, update_book_again),
        cell("UnpublishBook", Success, unpublish_book),
        cell("UnpublishBook", Code(40400), unpublish_no_book),
        cell("UnpublishBook", BadInput, unpublish_bad_ids),
        cell("UnpublishBook", Repeat, unpublish_book_again),
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

async fn get_book(clients: Clients) -> anyhow::Result<()> {
    let id = clients.publish("取一本书", 12800).await?;
    clients.done(UnpublishBookRequest { book_id: id }).await?;
    // Old orders link to unpublished books, so they can still be got.
    let got = book_of(&clients, id).await?;
    ensure!(
        (got.id, got.title.as_str(), got.price) == (id, "取一本书", 12800),
        "{got:?}"
    );
    ensure!(got.unpublished, "{got:?}");
    Ok(())
}

async fn get_no_book(clients: Clients) -> anyhow::Result<()> {
    let request = GetBookRequest { book_id: NOBODY };
    let reply = clients
        .refused(request, 40400, "图书不存在", "book not found")
        .await?;
    ensure!(reply.book.is_none(), "{reply:?}");
    Ok(())
}

async fn get_bad_ids(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(GetBookRequest { book_id: 0 }, &["book_id"])
        .await?;
    clients
        .malformed(
            GetBookRequest {
                book_id: ID_TOO_LARGE,
            },
            &["book_id"],
        )
        .await
}

async fn get_book_again(clients: Clients) -> anyhow::Result<()> {
    let book_id = clients.publish("取两次", 1).await?;
    let request = GetBookRequest { book_id };
    ensure!(clients.done(request).await? == clients.done(request).await?);
    Ok(())
}

async fn list_books(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (
        clients.publish("甲", 1).await?,
        clients.publish("乙", 2).await?,
    );
    clients
        .done(UnpublishBookRequest { book_id: second })
        .await?;
    let third = clients.publish("丙", 3).await?;
    let mut listed = Vec::new();
    for page in 1.. {
        let reply = clients
            .done(ListBooksRequest {
                page,
                page_size: 100,
            })
            .await?;
        ensure!(reply.total >= 2, "{}", reply.total);
        if reply.books.is_empty() {
            break;
        }
        listed.extend(reply.books.into_iter().map(|book| book.id));
    }
    ensure!(listed.is_sorted(), "{listed:?}");
    ensure!(
        listed.contains(&first) && listed.contains(&third),
        "{listed:?}"
    );
    ensure!(
        !listed.contains(&second),
        "unpublished, but listed: {listed:?}"
    );
    // Page 0 is page 1, and page size 0 is 20.
    let reply = clients.done(ListBooksRequest::default()).await?;
    ensure!(reply.books.len() <= 20, "{}", reply.books.len());
    Ok(())
}

async fn list_bad_pages(clients: Clients) -> anyhow::Result<()> {
    let page = |page, page_size| ListBooksRequest { page, page_size };
    clients
        .malformed(page(-1, 101), &["page", "page_size"])
        .await?;
    clients.malformed(page(1, -1), &["page_size"]).await
}

async fn list_books_again(clients: Clients) -> anyhow::Result<()> {
    clients.publish("第一本", 1).await?;
    let first = || ListBooksRequest {
        page: 1,
        page_size: 1,
    };
    ensure!(clients.done(first()).await?.books == clients.done(first()).await?.books);
    Ok(())
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

async fn batch_get_books(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (
        clients.publish("一", 1).await?,
        clients.publish("二", 2).await?,
    );
    clients
        .done(UnpublishBookRequest { book_id: first })
        .await?;
    let ids = |ids: &[u64]| BatchGetBooksRequest {
        book_ids: ids.to_vec(),
    };
    let books = clients
        .done(ids(&[second, NOBODY, first, second]))
        .await?
        .books;
    let got: Vec<_> = books
        .iter()
        .map(|book| (book.id, book.unpublished))
        .collect();
    ensure!(got == [(second, false), (first, true)], "{got:?}");
    ensure!(clients.done(ids(&[])).await?.books.is_empty());
    Ok(())
}

async fn batch_get_bad_ids(clients: Clients) -> anyhow::Result<()> {
    let ids = |book_ids| BatchGetBooksRequest { book_ids };
    clients.malformed(ids(vec![1; 501]), &["book_ids"]).await?;
    clients
        .malformed(
            ids(vec![1, 0, ID_TOO_LARGE]),
            &["book_ids[1]", "book_ids[2]"],
        )
        .await
}

async fn batch_get_books_again(clients: Clients) -> anyhow::Result<()> {
    let id = clients.publish("再取", 1).await?;
    let request = BatchGetBooksRequest { book_ids: vec![id] };
    ensure!(clients.done(request.clone()).await? == clients.done(request).await?);
    Ok(())
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

async fn unpublish_book(clients: Clients) -> anyhow::Result<()> {
    let id = clients.stocked(100, 10).await?;
    clients.done(UnpublishBookRequest { book_id: id }).await?;
    eventually("an unpublished book is not sold", || async {
        let reply = clients.call(order(1, &[(id, 1)], "")).await.ok()?;
        (reply.code == 40400).then_some(())
    })
    .await;
    eventually("an unpublished book is not found", || async {
        search(&clients, "货架上的书")
            .await
            .ok()
            .filter(|found| !found.contains(&id))
    })
    .await;
    Ok(())
}

async fn unpublish_no_book(clients: Clients) -> anyhow::Result<()> {
    let request = UnpublishBookRequest { book_id: NOBODY };
    clients
        .refused(request, 40400, "图书不存在", "book not found")
        .await?;
    Ok(())
}

async fn unpublish_bad_ids(clients: Clients) -> anyhow::Result<()> {
    clients
        .malformed(UnpublishBookRequest { book_id: 0 }, &["book_id"])
        .await?;
    clients
        .malformed(
            UnpublishBookRequest {
                book_id: ID_TOO_LARGE,
            },
            &["book_id"],
        )
        .await
}

async fn unpublish_book_again(clients: Clients) -> anyhow::Result<()> {
    let book_id = clients.publish("下架两次", 1).await?;
    clients.done(UnpublishBookRequest { book_id }).await?;
    let before = book_of(&clients, book_id).await?;
    clients.done(UnpublishBookRequest { book_id }).await?;
    ensure!(book_of(&clients, book_id).await? == before);
    Ok(())
}

async fn book_of(clients: &Clients, book_id: u64) -> anyhow::Result<Book> {
    clients
        .done(GetBookRequest { book_id })
        .await?
        .book
        .context("a reply without its book")
}

async fn search(clients: &Clients, keyword: &str) -> anyhow::Result<Vec<u64>> {
    let request = SearchBooksRequest {
        keyword: keyword.to_owned(),
        page: 1,
        page_size: 100,
    };
    Ok(clients
        .done(request)
        .await?
        .books
        .into_iter()
        .map(|book| book.id)
        .collect())
}

fn with_isbn(id: u64, isbn: &str) -> PublishBookRequest {
    let mut request = book(id, "有号的书", 100);
    if let Some(book) = &mut request.book {
        isbn.clone_into(&mut book.isbn);
    }
    request
}

fn update(book: Book, paths: &[&str]) -> UpdateBookRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    UpdateBookRequest {
        book: Some(book),
        update_mask: Some(FieldMask { paths }),
    }
}
