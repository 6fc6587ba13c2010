//! Whole imports into a whole system in this process: what is loaded, that loading it twice loads
//! it once, and what meets a shop that is not empty.

use api::catalog::v1::{
    Book, ListBooksRequest, PublishBookRequest, SearchBooksRequest, UnpublishBookRequest,
};
use api::inventory::v1::{BatchGetStockRequest, Stock};
use indicatif::ProgressBar;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use types::Quantity;

use super::{Defaults, End, Loader, Report, Rows, load_rows};
use crate::clients::{self, Clients};
use crate::config::Config;
use crate::system::System;

const DEFAULTS: Defaults = Defaults {
    price: None,
    stock: Quantity::new(100),
};

struct Shop {
    clients: Clients,
    system: System,
    _folder: TempDir,
}

impl Shop {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let config = Config::load(None, folder.path()).unwrap();
        let system = System::start(config, true).await.unwrap();
        Self {
            clients: system.clients(),
            system,
            _folder: folder,
        }
    }

    async fn close(self) {
        self.system.stop().await;
    }

    /// Imports `file`; answers how it ended and what was told.
    async fn import(&self, file: &str) -> (End, String) {
        let loader = Loader::new(self.clients.clone());
        run(file, Some(&loader), &CancellationToken::new()).await
    }

    async fn publish(&self, book: Book) -> u64 {
        let request = PublishBookRequest { book: Some(book) };
        self.clients
            .catalog
            .clone()
            .publish_book(request)
            .await
            .unwrap()
            .into_inner()
            .book_id
    }

    /// Waits until a search knows the book.
    async fn await_found(&self, title: &str) {
        let search = SearchBooksRequest {
            keyword: title.to_owned(),
            ..SearchBooksRequest::default()
        };
        let mut catalog = self.clients.catalog.clone();
        while catalog
            .search_books(search.clone())
            .await
            .unwrap()
            .into_inner()
            .total
            == 0
        {
            tokio::task::yield_now().await;
        }
    }

    async fn books(&self) -> Vec<Book> {
        let page = ListBooksRequest {
            page: 1,
            page_size: 100,
        };
        self.clients
            .catalog
            .clone()
            .list_books(page)
            .await
            .unwrap()
            .into_inner()
            .books
    }

    /// The stocks of all books that are published.
    async fn stocks(&self) -> Vec<Stock> {
        let book_ids = self.books().await.iter().map(|book| book.id).collect();
        let request = BatchGetStockRequest { book_ids };
        self.clients
            .inventory
            .clone()
            .batch_get_stock(request)
            .await
            .unwrap()
            .into_inner()
            .stocks
    }

    async fn quantities(&self) -> Vec<i32> {
        self.stocks()
            .await
            .iter()
            .map(|stock| stock.quantity)
            .collect()
    }
}

async fn run(file: &str, loader: Option<&Loader>, stop: &CancellationToken) -> (End, String) {
    let mut told = Vec::new();
    let mut report = Report::new(&mut told, ProgressBar::hidden(), None).unwrap();
    let rows = Rows::open(file.as_bytes(), DEFAULTS).unwrap();
    report.tell_sources(&rows).unwrap();
    let end = load_rows(rows, loader, 8, stop, &mut report).await.unwrap();
    report.finish(std::time::Duration::from_secs(1)).unwrap();
    (end, String::from_utf8(told).unwrap())
}

fn book(title: &str, author: &str, isbn: &str) -> Book {
    let [title, author, isbn] = [title, author, isbn].map(str::to_owned);
    Book {
        title,
        author,
        isbn,
        price: 100,
        ..Book::default()
    }
}

#[track_caller]
fn assert_told(told: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            told.lines().any(|one| one.trim() == *line),
            "{line:?} is not in\n{told}"
        );
    }
}

const FILE: &str = "书名,作者,ISBN,价格,库存,简介\n\
    三体,刘慈欣,439023483,59.80,30,地球往事\n\
    无号之书,佚名,,,,\n\
    ,无名氏,,,,\n\
    不售之书,佚名,,8,0,\n";

#[tokio::test]
async fn a_second_run_changes_nothing() {
    let shop = Shop::open().await;
    let (end, told) = shop.import(FILE).await;
    assert_eq!(end, End::Complete);
    let refused = "line 4: refused: has no title";
    assert_told(
        &told,
        &[
            refused,
            "3 published",
            "1 refused, see above",
            "1 ISBNs got their leading zeros back",
        ],
    );

    let (books, stocks) = (shop.books().await, shop.stocks().await);
    let first = books.first().unwrap();
    assert_eq!(
        (first.id, first.isbn.as_str(), first.price),
        (1, "9780439023481", 5_980)
    );
    assert_eq!((books.len(), shop.quantities().await), (3, vec![30, 100]));

    // At once: the search may not know the new books yet.
    let (end, told) = shop.import(FILE).await;
    assert_eq!(end, End::Complete);
    assert_told(&told, &[refused, "3 in the shop already"]);
    assert_eq!((shop.books().await, shop.stocks().await), (books, stocks));
    shop.close().await;
}

#[tokio::test]
async fn a_book_that_is_in_the_shop_is_left_as_it_is_and_stocked_once() {
    let shop = Shop::open().await;
    shop.publish(book("三体", "刘慈欣", "0-439-02348-3")).await;
    shop.publish(book("活着", "余华", "")).await;
    shop.await_found("活着").await;
    let file = "title,author,isbn,price,stock\n活着,余华,,1.00,5\n活着,余华,9780439655484,1.00,7\n";
    let (_, told) = shop.import(file).await;
    // The edition with an ISBN is another book than the one without.
    assert_told(&told, &["1 published", "1 in the shop already"]);
    assert_eq!(
        (shop.books().await.len(), shop.quantities().await),
        (3, vec![5, 7])
    );

    let (_, told) = shop.import(&file.replace("1.00,7", "2.00,8")).await;
    assert_told(
        &told,
        &[
            "2 in the shop already",
            "1 books with another price in the shop",
            "1 books stocked by an earlier run, with another number",
        ],
    );
    assert_eq!(
        (shop.books().await.len(), shop.quantities().await),
        (3, vec![5, 7])
    );
    shop.close().await;
}

#[tokio::test]
async fn an_isbn_of_another_book_is_refused() {
    let shop = Shop::open().await;
    shop.publish(book("另一本书", "某人", "978-0-439-02348-1"))
        .await;
    let gone = shop.publish(book("旧书", "某人", "9780439655484")).await;
    let request = UnpublishBookRequest { book_id: gone };
    shop.clients
        .catalog
        .clone()
        .unpublish_book(request)
        .await
        .unwrap();

    let file = "title,author,isbn\n三体,刘慈欣,9780439023481\n旧书,某人,9780439655484\n";
    let (end, told) = shop.import(file).await;
    assert_eq!(end, End::Complete);
    assert_told(
        &told,
        &[
            "line 2: refused: the ISBN 9780439023481 belongs to book 1, “另一本书”",
            "line 3: refused: the ISBN 9780439655484 belongs to a book that is no longer published",
            "2 refused, see above",
        ],
    );
    assert!(shop.stocks().await.is_empty());
    shop.close().await;
}

#[tokio::test]
async fn an_unpublished_book_without_isbn_stays_so() {
    let shop = Shop::open().await;
    let file = "title,author\n无号之书,佚名\n";
    shop.import(file).await;
    let book_id = shop.books().await.first().unwrap().id;
    shop.clients
        .catalog
        .clone()
        .unpublish_book(UnpublishBookRequest { book_id })
        .await
        .unwrap();
    let (_, told) = shop.import(file).await;
    assert_told(
        &told,
        &["1 in the shop already", "1 books no longer published"],
    );
    assert!(shop.books().await.is_empty());
    shop.close().await;
}

#[tokio::test]
async fn an_interrupted_import_is_completed_by_the_next() {
    let shop = Shop::open().await;
    let loader = Loader::new(shop.clients.clone());
    let stop = CancellationToken::new();
    stop.cancel();
    let (end, _) = run(FILE, Some(&loader), &stop).await;
    assert_eq!((end, shop.books().await.len()), (End::Interrupted, 0));
    let (end, told) = shop.import(FILE).await;
    assert_eq!(end, End::Complete);
    assert_told(&told, &["3 published"]);
    shop.close().await;
}

#[tokio::test]
async fn a_dry_run_reads_and_judges_alone() {
    let (end, told) = run(FILE, None, &CancellationToken::new()).await;
    assert_eq!(end, End::Complete);
    let refused = "line 4: refused: has no title";
    assert_told(&told, &[refused, "3 valid (nothing was loaded: --dry-run)"]);
    assert_told(
        &told,
        &[
            "stock        `库存`, else 100 copies",
            "title        `书名`, else the row is refused",
        ],
    );
}

#[tokio::test]
async fn a_torn_file_is_not_imported_to_its_end() {
    let file = "title,author,description\nA,X,\nB,Y,\"long\nC,Z,\n";
    let (end, told) = run(file, None, &CancellationToken::new()).await;
    assert_eq!(end, End::Torn);
    let refused = "line 3: refused: opens a quote that never closes: nothing behind it was read";
    assert_told(&told, &[refused, "1 valid (nothing was loaded: --dry-run)"]);
    let (_, told) = run("title,author\nA,X", None, &CancellationToken::new()).await;
    assert_told(&told, &["1 row in 1.0 s, 1 a second"]);
}

#[tokio::test]
async fn the_list_of_classics_needs_no_repair() {
    let file = include_str!("../../../../samples/classics-zh.csv");
    let (_, told) = run(file, None, &CancellationToken::new()).await;
    let books = file.lines().count() - 1;
    assert!(books >= 300, "{books}");
    assert_told(
        &told,
        &[&format!("{books} valid (nothing was loaded: --dry-run)")],
    );
    assert!(
        !told.contains("repaired") && !told.contains("refused:"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shop_that_is_gone_ends_the_import() {
    let folder = TempDir::new().unwrap();
    let mut config = Config::load(None, folder.path()).unwrap();
    // Port 1 answers nobody.
    config.catalog.listen = ([127, 0, 0, 1], 1).into();
    let loader = Loader::new(clients::connect(&config).unwrap());
    let rows: Vec<_> = (0..1_000)
        .map(|number| format!("book {number},somebody"))
        .collect();
    let file = format!("title,author\n{}", rows.join("\n"));
    let (end, told) = run(&file, Some(&loader), &CancellationToken::new()).await;
    assert_eq!(end, End::Unreachable);
    // What was on its way ends unanswered; nothing further is begun.
    let unanswered = told
        .lines()
        .filter(|line| line.contains(": unanswered: "))
        .count();
    assert!((10..=20).contains(&unanswered), "{told}");
}
