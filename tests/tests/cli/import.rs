//! `bookstore import`.
//!
//! `BOOKSTORE_TEST_BOOKS_CSV` may name goodbooks-10k's list of 10,000 books, which is then imported.

use std::path::Path;

use anyhow::ensure;
use api::catalog::v1::{Book, ListBooksRequest, SearchBooksRequest};
use api::inventory::v1::BatchGetStockRequest;
use bookstore_e2e::{Clients, Shop, setting};
use testkit::eventually;

#[tokio::test]
async fn a_list_imported_twice_is_loaded_once_and_bad_rows_are_told() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    let list = "\u{feff}书名,Author(s),ISBN-10,定价（元）,库存,简介\r\n\
        三体,刘慈欣,7536692935,23.00,7,科幻\r\n\
        Emma,\"Jane Austen, Somebody Else\",141439580,9.5,3,\r\n\
        ,Nobody,,1.00,1,no title\r\n\
        无号,佚名,,,,\r\n\
        三体,刘慈欣,7536692935,23.00,7,the same again\r\n\
        贵书,佚名,,dear,1,\r\n";
    let path = shop.folder().join("list.csv");
    std::fs::write(&path, list)?;
    let path = path.display().to_string();
    let report = shop.folder().join("report.csv").display().to_string();
    let arguments = [
        "import",
        &path,
        "--default-price",
        "49.00",
        "--default-stock",
        "20",
        "--report",
        &report,
    ];

    let dry = shop
        .run(&[&arguments[..], &["--dry-run"]].concat())
        .await?
        .expect_code(0)?;
    ensure!(shelf(&clients).await?.is_empty(), "{}", dry.stdout);

    let first = shop.run(&arguments).await?.expect_code(0)?.stdout;
    for refused in ["line 4: refused", "line 6: refused", "line 7: refused"] {
        ensure!(first.contains(refused), "{refused} is not in {first}");
    }
    ensure!(first.matches(": refused").count() == 3, "{first}");
    let loaded = shelf(&clients).await?;
    let told: Vec<_> = loaded
        .iter()
        .map(|(book, copies)| {
            (
                book.title.as_str(),
                book.isbn.replace('-', ""),
                book.price,
                *copies,
            )
        })
        .collect();
    let wanted = [
        ("Emma", "9780141439587".to_owned(), 950, 3),
        ("三体", "9787536692930".to_owned(), 2300, 7),
        ("无号", String::new(), 4900, 20),
    ];
    ensure!(told == wanted, "{told:?}");

    let again = shop.run(&arguments).await?.expect_code(0)?.stdout;
    ensure!(again.contains("in the shop already"), "{again}");
    ensure!(
        shelf(&clients).await? == loaded,
        "the second run changed something"
    );
    shop.expect_clean().await
}

/// All published books by title, with their free copies.
async fn shelf(clients: &Clients) -> anyhow::Result<Vec<(Book, i32)>> {
    let books = clients
        .done(ListBooksRequest {
            page: 1,
            page_size: 100,
        })
        .await?
        .books;
    let book_ids = books.iter().map(|book| book.id).collect();
    let stocks = clients
        .done(BatchGetStockRequest { book_ids })
        .await?
        .stocks;
    let copies = |id| {
        stocks
            .iter()
            .find(|s| s.book_id == id)
            .map_or(0, |s| s.quantity)
    };
    let mut shelf: Vec<_> = books
        .into_iter()
        .map(|book| (copies(book.id), book))
        .collect();
    shelf.sort_by(|one, other| one.1.title.cmp(&other.1.title));
    Ok(shelf
        .into_iter()
        .map(|(copies, book)| (book, copies))
        .collect())
}

#[tokio::test]
async fn the_classics_are_imported_whole() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let list = bookstore_e2e::repository().join("samples/classics-zh.csv");
    let rows = import(&shop, &list).await?;
    let clients = shop.clients()?;
    let total = clients.done(ListBooksRequest::default()).await?.total;
    ensure!(total == i64::try_from(rows)?, "{total} of {rows}");
    for title in ["红楼梦", "论语", "西游记"] {
        until_found(&clients, title, title).await;
    }
    shop.expect_clean().await
}

#[tokio::test]
async fn ten_thousand_real_books_are_imported_and_found() -> anyhow::Result<()> {
    let Some(list) = setting("BOOKSTORE_TEST_BOOKS_CSV") else {
        return Ok(());
    };
    let shop = Shop::open().await?;
    import(&shop, Path::new(&list)).await?;
    let clients = shop.clients()?;
    let total = clients.done(ListBooksRequest::default()).await?.total;
    ensure!(total > 9_900, "only {total} books");
    import(&shop, Path::new(&list)).await?;
    ensure!(clients.done(ListBooksRequest::default()).await?.total == total);
    import(
        &shop,
        &bookstore_e2e::repository().join("samples/classics-zh.csv"),
    )
    .await?;
    for (keyword, title) in [
        ("hunger games", "The Hunger Games"),
        ("MOCKINGBIRD", "To Kill a Mockingbird"),
        // An ISBN-10 that lost its zero, as ISBN-13.
        ("9780439023481", "The Hunger Games"),
        ("红楼", "红楼梦"),
    ] {
        until_found(&clients, keyword, title).await;
    }
    shop.expect_clean().await
}

/// Imports a list and answers how many rows it has.
async fn import(shop: &Shop, list: &Path) -> anyhow::Result<usize> {
    let rows = std::fs::read_to_string(list)?.lines().count() - 1;
    shop.run(&["import", &list.display().to_string()])
        .await?
        .expect_code(0)?;
    Ok(rows)
}

async fn until_found(clients: &Clients, keyword: &str, title: &str) {
    eventually(&format!("“{keyword}” finds {title}"), || async {
        let keyword = keyword.to_owned();
        let asked = SearchBooksRequest {
            keyword,
            page: 1,
            page_size: 100,
        };
        let found = clients.done(asked).await.ok()?.books;
        found
            .iter()
            .any(|book| book.title.contains(title))
            .then_some(())
    })
    .await;
}
