//! A shop: the order service on a real port, a real client, scripted services beyond its edge, and
//! a clock that moves only when a test moves it.

use std::sync::Arc;
use std::time::Duration;

use api::order::v1::order_service_client::OrderServiceClient;
use api::order::v1::*;
use async_trait::async_trait;
use order::clients::{CatalogGrpc, InventoryGrpc, PaymentGrpc};
use order::delay_queue::{DelayQueue, EmbeddedQueue, RedisQueue};
use order::domain::{LeaseStep, Op, Order, OrderDetail, Stage, TaskKind};
use order::store::{MIGRATIONS, SqlStore, Store};
use order::{Parts, Timing};
use platform::clock::ManualClock;
use platform::combiner::Batch;
use platform::db::{Database, DatabaseOptions, DbError};
use platform::server::ServiceDeps;
use testkit::servers::RedisServer;
use testkit::{TestDatabase, TestServer, eventually, serve};
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};
use types::{IdempotencyKey, Locale, OrderId, OrderNo, UnixMillis, UserId};

use crate::fakes::{FakeCatalog, FakeInventory, FakePayment};

/// 15 minutes, as in the default configuration.
pub(crate) const PAYMENT_TIMEOUT: Duration = Duration::from_mins(15);

/// What is one for all replicas.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) catalog: Arc<FakeCatalog>,
    pub(crate) inventory: Arc<FakeInventory>,
    pub(crate) payment: Arc<FakePayment>,
    pub(crate) database: Arc<TestDatabase>,
    /// What the test itself sees of the database.
    pub(crate) store: Arc<dyn Store>,
    /// What replicas get in place of a store of their own.
    pub(crate) replica_store: Option<Arc<dyn Store>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) queue: Arc<dyn DelayQueue>,
    pub(crate) timing: Timing,
    /// Where the queue is, if it is not in this process.
    _redis: Option<Arc<RedisServer>>,
}

/// A replica of the order service.
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) client: OrderServiceClient<Channel>,
    server: TestServer,
}

/// Single orders, as tests look at them.
#[async_trait]
pub(crate) trait FindOrder {
    async fn find_order(&self, order_no: &OrderNo) -> Result<Option<OrderDetail>, DbError>;
    async fn find_request(
        &self,
        user_id: UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<Order>, DbError>;
}

#[async_trait]
impl<S: Store + ?Sized> FindOrder for S {
    async fn find_order(&self, order_no: &OrderNo) -> Result<Option<OrderDetail>, DbError> {
        let mut found = self.find_orders(std::slice::from_ref(order_no)).await?;
        Ok(found.pop())
    }

    async fn find_request(
        &self,
        user_id: UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<Order>, DbError> {
        Ok(self.find_requests(&[(user_id, key.clone())]).await?.pop())
    }
}

/// A store on `database`.
pub(crate) async fn open_store(database: &TestDatabase) -> anyhow::Result<Arc<dyn Store>> {
    let options = DatabaseOptions::default();
    let database = Database::open(database.url(), MIGRATIONS, options).await?;
    Ok(Arc::new(SqlStore::new(database)))
}

impl World {
    /// Two books in stock: 1 for 128.00, 2 for 1.00, 100 copies each. Nothing ordered.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        let catalog = Arc::new(FakeCatalog::default());
        catalog.publish(1, "Go微服务实战", 12_800);
        catalog.publish(2, "分布式系统原理", 100);
        let inventory = Arc::new(FakeInventory::default());
        inventory.restock(1, 100);
        inventory.restock(2, 100);
        let timing = Timing {
            settle_limit: Duration::from_millis(300),
            short_books_for: Duration::from_hours(1),
            expire_every: Duration::from_millis(10),
            run_tasks_every: Duration::from_millis(10),
            recover_every: Duration::from_millis(10),
            sweep_every: Duration::from_millis(50),
            follow_every: Duration::from_millis(20),
            reopen_feed_after: Duration::from_millis(10),
            ..Timing::standard(PAYMENT_TIMEOUT)
        };
        let database = Arc::new(TestDatabase::new().await?);
        let redis = testkit::redis_of_this_run().await?;
        let queue: Arc<dyn DelayQueue> = match &redis {
            Some(server) => Arc::new(RedisQueue::connect(&server.parsed_url()?).await?),
            None => Arc::new(EmbeddedQueue::new()),
        };
        Ok(Self {
            catalog,
            inventory,
            payment: Arc::new(FakePayment::default()),
            store: open_store(&database).await?,
            replica_store: None,
            database,
            clock: ManualClock::new(UnixMillis::new(1_795_355_045_000)),
            queue,
            timing,
            _redis: redis.map(Arc::new),
        })
    }

    /// Opens a replica.
    pub(crate) async fn open(&self) -> anyhow::Result<Shop> {
        let store = match &self.replica_store {
            Some(store) => Arc::clone(store),
            None => open_store(&self.database).await?,
        };
        let parts = Parts {
            store,
            queue: Arc::clone(&self.queue),
            catalog: Arc::new(CatalogGrpc::new(self.catalog.transport())),
            inventory: Arc::new(InventoryGrpc::new(self.inventory.transport())),
            payment: Arc::new(PaymentGrpc::new(self.payment.transport())),
            timing: self.timing,
        };
        let clock = Arc::clone(&self.clock);
        let deps = ServiceDeps {
            clock,
            locale: Locale::Zh,
            migrate: true,
        };
        let server = serve(order::start_with(parts, deps).await).await?;
        let client = OrderServiceClient::new(server.channel.clone());
        Ok(Shop {
            world: self.clone(),
            client,
            server,
        })
    }

    /// The order as the store has it, hidden stages included.
    pub(crate) async fn row(&self, order_no: &str) -> Option<OrderDetail> {
        self.store
            .find_order(&OrderNo::parse(order_no).unwrap())
            .await
            .unwrap()
    }

    /// Every order of a hidden stage, however old.
    pub(crate) async fn hidden(&self, stage: Stage) -> usize {
        let far = self.end_of_time();
        self.store
            .due_orders(stage, far, None, 1_000)
            .await
            .unwrap()
            .len()
    }

    /// How many tasks are not done, parked ones included.
    pub(crate) async fn tasks_left(&self) -> usize {
        let far = self.end_of_time();
        let due = self
            .store
            .due_tasks(&TaskKind::ALL, far, 1_000)
            .await
            .unwrap()
            .len();
        due + self.store.parked_tasks(1_000).await.unwrap().len()
    }

    /// Waits until nothing is left to be done, moving the clock so that retries come due.
    pub(crate) async fn settle(&self) {
        eventually("all tasks are done", async || {
            self.clock.advance(Duration::from_millis(100));
            (self.tasks_left().await == 0).then_some(())
        })
        .await;
    }

    /// Holds the right to follow the feed, as a replica does that died just now.
    pub(crate) async fn hold_feed_lease(&self, holder: &str) {
        let at = platform::clock::Clock::now(&*self.clock);
        let take = LeaseStep::Take {
            at,
            until: at.plus(self.timing.feed_lease),
        };
        let lease = Op::Lease {
            name: "follow_payments",
            holder: holder.into(),
            step: take,
        };
        self.store.apply(Batch::from(vec![lease])).await.unwrap();
    }

    /// Later than anything here falls due, and a date that databases know.
    pub(crate) fn end_of_time(&self) -> UnixMillis {
        platform::clock::Clock::now(&*self.clock).plus(Duration::from_hours(1_000))
    }
}

impl Shop {
    /// A shop of its own.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        World::new().await?.open().await
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        drop(self.client);
        self.server.stop().await
    }

    pub(crate) async fn create(
        &self,
        lines: &[(u64, i32)],
        key: &str,
    ) -> Result<CreateOrderResponse, Status> {
        let request = create_request(1, lines, key);
        Ok(self
            .client
            .clone()
            .create_order(request)
            .await?
            .into_inner())
    }

    /// Two of book 1 and one of book 2: 257.00.
    pub(crate) async fn create_one(&self) -> CreateOrderResponse {
        let created = self.create(&[(1, 2), (2, 1)], "").await.unwrap();
        assert_eq!(created.code, 0, "{}", created.message);
        created
    }

    /// An order that is paid.
    pub(crate) async fn create_paid(&self) -> CreateOrderResponse {
        let created = self.create_one().await;
        assert_eq!(self.pay(&created.order_no).await.unwrap().code, 0);
        created
    }

    pub(crate) async fn get(&self, order_no: &str) -> Result<GetOrderResponse, Status> {
        let request = GetOrderRequest {
            order_no: order_no.to_owned(),
        };
        Ok(self.client.clone().get_order(request).await?.into_inner())
    }

    pub(crate) async fn status(&self, order_no: &str) -> i32 {
        self.get(order_no)
            .await
            .unwrap()
            .order
            .map_or(0, |order| order.status)
    }

    pub(crate) async fn pay(&self, order_no: &str) -> Result<PayOrderResponse, Status> {
        let order_no = order_no.to_owned();
        let request = PayOrderRequest {
            order_no,
            payment_method: "mock".to_owned(),
        };
        Ok(self.client.clone().pay_order(request).await?.into_inner())
    }

    pub(crate) async fn cancel(&self, order_no: &str) -> Result<CancelOrderResponse, Status> {
        let request = CancelOrderRequest {
            order_no: order_no.to_owned(),
            reason: "不要了".to_owned(),
        };
        Ok(self
            .client
            .clone()
            .cancel_order(request)
            .await?
            .into_inner())
    }

    pub(crate) async fn ship(&self, order_no: &str) -> Result<ShipOrderResponse, Status> {
        let request = ShipOrderRequest {
            order_no: order_no.to_owned(),
        };
        Ok(self.client.clone().ship_order(request).await?.into_inner())
    }

    pub(crate) async fn complete(&self, order_no: &str) -> Result<CompleteOrderResponse, Status> {
        let request = CompleteOrderRequest {
            order_no: order_no.to_owned(),
        };
        Ok(self
            .client
            .clone()
            .complete_order(request)
            .await?
            .into_inner())
    }

    /// Waits until the order has this status: 1 PENDING … 5 CANCELLED.
    pub(crate) async fn becomes(&self, order_no: &str, status: i32) {
        eventually(&format!("{order_no} becomes {status}"), async || {
            (self.status(order_no).await == status).then_some(())
        })
        .await;
    }
}

/// The id in an answer, as the store knows it.
pub(crate) fn id_of(created: &CreateOrderResponse) -> OrderId {
    OrderId::new(created.order_id).unwrap()
}

pub(crate) fn create_request(user_id: u64, lines: &[(u64, i32)], key: &str) -> CreateOrderRequest {
    let item = |(book_id, quantity): &(u64, i32)| CreateOrderItem {
        book_id: *book_id,
        quantity: *quantity,
    };
    CreateOrderRequest {
        user_id,
        items: lines.iter().map(item).collect(),
        idempotency_key: key.to_owned(),
    }
}

/// The request of an English speaker.
pub(crate) fn in_english<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let english = MetadataValue::from_static("en-US,en;q=0.9");
    request.metadata_mut().insert("accept-language", english);
    request
}

/// The request of somebody who waits this long.
pub(crate) fn within<T>(wait: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(wait);
    request
}

/// Checks that a call was malformed, and which fields were named.
pub(crate) fn assert_bad<T: std::fmt::Debug>(result: Result<T, Status>, fields: &[&str]) {
    use tonic_types::StatusExt;
    let status = result.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let named: Vec<_> = details
        .bad_request()
        .map(|bad| {
            bad.field_violations
                .iter()
                .map(|violation| violation.field.clone())
                .collect()
        })
        .unwrap_or_default();
    assert_eq!(named, fields);
}

/// Whether the status tells its caller to ask again.
pub(crate) fn tells_to_retry(status: &Status) -> bool {
    use tonic_types::StatusExt;
    status.get_error_details().retry_info().is_some()
}

/// Whether the call ran into its deadline: told so by the service, or cut off by the client's own
/// clock where the machine was too busy to tell in time.
pub(crate) fn ran_late(status: &Status) -> bool {
    matches!(
        status.code(),
        tonic::Code::DeadlineExceeded | tonic::Code::Cancelled
    )
}
