//! What all tests of the catalog share: a service on a store, a client, books, bad requests.

use std::net::Ipv4Addr;
use std::sync::Arc;

use api::catalog::v1::catalog_service_client::CatalogServiceClient;
use api::catalog::v1::{
    Book, GetBookRequest, PublishBookRequest, SearchBooksRequest, UpdateBookRequest,
};
use catalog::store::{SqlStore, Store};
use catalog::{Config, Parts};
use platform::clock::ManualClock;
use platform::config::CacheUrl;
use platform::db::{Database, DatabaseOptions, DatabaseUrl};
use platform::server::{RunningService, ServiceDeps};
use testkit::servers::RedisServer;
use testkit::{TestDatabase, TestServer};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use types::{Locale, UnixMillis};

pub(crate) type Client = CatalogServiceClient<Channel>;

/// The moment at which the tests' clock stands.
pub(crate) const NOW: UnixMillis = UnixMillis::new(1_795_355_045_678);

/// A catalog that serves calls.
pub(crate) struct Catalog {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) client: Client,
    pub(crate) server: TestServer,
}

/// Starts a catalog on `store`.
pub(crate) async fn serve_store(store: Arc<dyn Store>) -> Catalog {
    serve_parts(Parts { store, redis: None }).await
}

/// Starts a catalog of `parts`.
pub(crate) async fn serve_parts(parts: Parts) -> Catalog {
    let clock = ManualClock::new(NOW);
    let running = catalog::start_with(parts, deps(&clock)).await.unwrap();
    serve_running(running, clock).await
}

/// Where a test's catalogs keep their books.
pub(crate) struct Home {
    pub(crate) database: TestDatabase,
    /// The cache that they share, where this run is about servers.
    redis: Option<RedisServer>,
}

impl Home {
    pub(crate) async fn new() -> Self {
        Self {
            database: TestDatabase::new().await.unwrap(),
            redis: testkit::redis_of_this_run().await.unwrap(),
        }
    }

    pub(crate) fn url(&self) -> &DatabaseUrl {
        self.database.url()
    }
}

/// Starts a catalog on a database of its own, which lives as long as its handle.
pub(crate) async fn serve() -> (Catalog, Home) {
    let home = Home::new().await;
    (serve_on(&home).await, home)
}

/// Starts a catalog as the program does.
pub(crate) async fn serve_on(home: &Home) -> Catalog {
    let clock = ManualClock::new(NOW);
    let cache = match &home.redis {
        Some(server) => CacheUrl::Redis(server.parsed_url().unwrap()),
        None => CacheUrl::Memory,
    };
    let config = Config {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        database: home.url().clone(),
        cache,
    };
    let running = catalog::start(config, deps(&clock)).await.unwrap();
    serve_running(running, clock).await
}

async fn serve_running(running: RunningService, clock: Arc<ManualClock>) -> Catalog {
    let server = testkit::serve(running).await.unwrap();
    Catalog {
        clock,
        client: Client::new(server.channel.clone()),
        server,
    }
}

pub(crate) fn deps(clock: &Arc<ManualClock>) -> ServiceDeps {
    ServiceDeps {
        clock: clock.clone(),
        locale: Locale::Zh,
        migrate: true,
    }
}

/// A store on `database`: each replica has its own.
pub(crate) async fn open(database: &TestDatabase) -> Arc<dyn Store> {
    let options = DatabaseOptions::default();
    let db = Database::open(database.url(), catalog::MIGRATIONS, options).await;
    Arc::new(SqlStore::new(db.unwrap()))
}

/// A book to publish.
pub(crate) fn book(id: u64, title: &str, isbn: &str) -> Book {
    Book {
        id,
        title: title.to_owned(),
        author: "刘慈欣".to_owned(),
        isbn: isbn.to_owned(),
        price: 2300,
        ..Book::default()
    }
}

/// Publishes `book` and answers its id.
pub(crate) async fn publish(client: &mut Client, book: Book) -> u64 {
    let request = PublishBookRequest { book: Some(book) };
    let reply = client.publish_book(request).await.unwrap().into_inner();
    assert_eq!((reply.code, reply.message.as_str()), (0, ""));
    reply.book_id
}

/// Sets the price of a book.
pub(crate) async fn set_price(client: &mut Client, id: u64, price: i64) {
    let request = UpdateBookRequest {
        book: Some(Book {
            id,
            price,
            ..Book::default()
        }),
        update_mask: Some(mask(&["price"])),
    };
    let reply = client.update_book(request).await.unwrap().into_inner();
    assert_eq!(reply.code, 0);
}

/// Reads a book that exists.
pub(crate) async fn get(client: &mut Client, id: u64) -> Book {
    let reply = client
        .get_book(GetBookRequest { book_id: id })
        .await
        .unwrap()
        .into_inner();
    reply.book.expect("a book")
}

/// The ids that `keyword` finds on the first page.
pub(crate) async fn find(client: &mut Client, keyword: &str) -> Vec<u64> {
    let request = SearchBooksRequest {
        keyword: keyword.to_owned(),
        page: 0,
        page_size: 0,
    };
    let reply = client.search_books(request).await.unwrap().into_inner();
    reply.books.into_iter().map(|book| book.id).collect()
}

/// Waits until `keyword` finds exactly `ids`.
pub(crate) async fn until_found(client: &Client, keyword: &str, ids: &[u64]) {
    let what = format!("{keyword} finds {ids:?}");
    testkit::eventually(&what, async || {
        (find(&mut client.clone(), keyword).await == ids).then_some(())
    })
    .await;
}

pub(crate) fn mask(paths: &[&str]) -> prost_types::FieldMask {
    prost_types::FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    }
}

/// `message` from a caller who reads English.
pub(crate) fn english<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("accept-language", "en-GB, en;q=0.9".parse().unwrap());
    request
}

/// The fields that a refused request names.
pub(crate) fn bad_fields<T: std::fmt::Debug>(result: Result<T, Status>) -> Vec<String> {
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status
        .get_details_bad_request()
        .expect("google.rpc.BadRequest");
    details
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}
