//! The service as its users meet it: on a port of its own, over a database of its own, called by
//! the generated client.

use std::sync::Arc;

use api::inventory::v1 as wire;
use api::inventory::v1::inventory_service_client::InventoryServiceClient;
use inventory::{Config, audit};
use platform::clock::SystemClock;
use platform::db::Database;
use platform::server::ServiceDeps;
use testkit::{TestDatabase, TestServer};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_types::StatusExt;
use types::Locale;

pub(crate) type Client = InventoryServiceClient<Channel>;

/// A running service; stopped by [`TestService::stop`], or when it is dropped.
pub(crate) struct TestService {
    /// A client with a connection that all its clones share.
    pub(crate) client: Client,
    server: TestServer,
    home: TestDatabase,
}

impl TestService {
    pub(crate) async fn start() -> Self {
        Self::start_on(TestDatabase::new().await.unwrap()).await
    }

    pub(crate) async fn start_on(home: TestDatabase) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let database = home.url().clone();
        let deps = ServiceDeps {
            clock: Arc::new(SystemClock),
            locale: Locale::Zh,
            migrate: true,
        };
        let running = inventory::start(Config { listen, database }, deps)
            .await
            .unwrap();
        let server = testkit::serve(running).await.unwrap();
        let client = Client::new(server.channel.clone());
        Self {
            client,
            server,
            home,
        }
    }

    /// A client with a connection of its own.
    pub(crate) fn another_client(&self) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.server.address));
        Client::new(endpoint.unwrap().connect_lazy())
    }

    /// Drains and ends the service, as a signal would, and audits what it leaves behind.
    pub(crate) async fn stop(self) -> TestDatabase {
        self.server.stop().await.unwrap();
        let database = Database::open_read_only(self.home.url()).unwrap();
        assert_eq!(audit::read(&database).await.unwrap().problems, []);
        database.close().await;
        self.home
    }

    /// Ends the service and starts another on the same database.
    pub(crate) async fn restart(self) -> Self {
        Self::start_on(self.stop().await).await
    }

    pub(crate) async fn restock(&self, book_id: u64, quantity: i32) {
        let request = wire::RestockInventoryRequest {
            book_id,
            quantity,
            ..Default::default()
        };
        let reply = self
            .client
            .clone()
            .restock_inventory(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(reply.code, 0, "{}", reply.message);
    }

    /// (quantity, reserved) of a book.
    pub(crate) async fn balance(&self, book_id: u64) -> (i32, i32) {
        let request = wire::GetStockRequest { book_id };
        let reply = self
            .client
            .clone()
            .get_stock(request)
            .await
            .unwrap()
            .into_inner();
        let stock = reply.stock.unwrap();
        (stock.quantity, stock.reserved)
    }
}

pub(crate) fn restock_of(book_id: u64, quantity: i32, key: &str) -> wire::RestockInventoryRequest {
    wire::RestockInventoryRequest {
        book_id,
        quantity,
        idempotency_key: key.to_owned(),
    }
}

pub(crate) fn deduct_of(
    book_id: u64,
    quantity: i32,
    reference_id: u64,
    key: &str,
) -> wire::DeductStockRequest {
    wire::DeductStockRequest {
        book_id,
        quantity,
        reference_id,
        idempotency_key: key.to_owned(),
    }
}

pub(crate) fn release_of(
    book_id: u64,
    quantity: i32,
    reference_id: u64,
    key: &str,
) -> wire::ReleaseStockRequest {
    wire::ReleaseStockRequest {
        book_id,
        quantity,
        reference_id,
        idempotency_key: key.to_owned(),
    }
}

pub(crate) fn batch_of(
    items: &[(u64, i32)],
    reference_id: u64,
    key: &str,
) -> wire::BatchDeductStockRequest {
    let item = |&(book_id, quantity): &(u64, i32)| wire::StockItem { book_id, quantity };
    let items = items.iter().map(item).collect();
    wire::BatchDeductStockRequest {
        idempotency_key: key.to_owned(),
        reference_id,
        items,
    }
}

pub(crate) fn batch_release_of(key: &str) -> wire::BatchReleaseStockRequest {
    wire::BatchReleaseStockRequest {
        idempotency_key: key.to_owned(),
    }
}

pub(crate) fn commit_of(key: &str) -> wire::CommitStockRequest {
    wire::CommitStockRequest {
        idempotency_key: key.to_owned(),
    }
}

/// A request whose sender reads English.
pub(crate) fn in_english<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("accept-language", "en-US,zh;q=0.5".parse().unwrap());
    request
}

/// The fields that an `INVALID_ARGUMENT` blames.
#[track_caller]
pub(crate) fn blamed<T: std::fmt::Debug>(result: Result<Response<T>, Status>) -> Vec<String> {
    let status = result.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    violations
        .iter()
        .map(|violation| violation.field.clone())
        .collect()
}
