//! The service as its callers meet it: a real server on a port of its own, a real client.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::payment::v1::payment_service_client::PaymentServiceClient;
use api::payment::v1::{
    GetPaymentStatusRequest, GetPaymentStatusResponse, PayRequest, PayResponse, Payment,
    RefundRequest, RefundResponse,
};
use async_trait::async_trait;
use payment::domain::{Event, Method, Op, Outcome, Record, Timetable};
use payment::gateway::{Gateways, PaymentGateway};
use payment::store::{Measures, SqlStore, Store};
use platform::clock::{SharedClock, SystemClock};
use platform::combiner::Batch;
use platform::db::DbError;
use platform::ids::IdSource;
use platform::net::Transport;
use platform::server::ServiceDeps;
use testkit::{TestDatabase, TestServer};
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Request, Status};
use types::{Locale, OrderId, UnixMillis};

/// A gateway timeout that no test waits for.
pub(crate) const PATIENT: Duration = Duration::from_secs(30);
/// One that tests of silence wait for.
pub(crate) const HASTY: Duration = Duration::from_millis(50);

/// A payment service, its store and a client.
pub(crate) struct Server {
    /// The database, where nobody else has it.
    _home: Option<TestDatabase>,
    pub(crate) store: Arc<WatchedStore>,
    pub(crate) client: PaymentServiceClient<Channel>,
    /// The same service without a socket. A channel cuts its calls off at their deadline; this
    /// client waits for what the service says about it.
    pub(crate) direct: PaymentServiceClient<Transport>,
    pub(crate) running: TestServer,
}

/// An empty database.
pub(crate) async fn new_home() -> TestDatabase {
    TestDatabase::new().await.unwrap()
}

/// A store on the database `home`: each replica has its own.
pub(crate) async fn open(home: &TestDatabase) -> Arc<dyn Store> {
    Arc::new(SqlStore::open(home.url(), true).await.unwrap())
}

/// What is known about an order's money; `None` where nobody ever tried to pay.
pub(crate) async fn find_record(store: &dyn Store, order: u64) -> Option<Record> {
    let orders = [OrderId::new(order).unwrap()];
    store.find_records(&orders).await.unwrap().pop()
}

/// Starts the service on an empty database.
pub(crate) async fn start(gateway: Arc<dyn PaymentGateway>, timeout: Duration) -> Server {
    let home = new_home().await;
    let server = start_on(open(&home).await, gateway, timeout).await;
    Server {
        _home: Some(home),
        ..server
    }
}

/// Starts the service on `store`: a replica of all that run on it already.
pub(crate) async fn start_on(
    store: Arc<dyn Store>,
    gateway: Arc<dyn PaymentGateway>,
    timeout: Duration,
) -> Server {
    start_at(Arc::new(SystemClock), store, gateway, timeout).await
}

/// Starts the service with a clock of the test's own.
pub(crate) async fn start_at(
    clock: SharedClock,
    store: Arc<dyn Store>,
    gateway: Arc<dyn PaymentGateway>,
    timeout: Duration,
) -> Server {
    let store = Arc::new(WatchedStore::new(store));
    let gateways = Gateways::new().with(Method::parse("mock").unwrap(), gateway);
    let deps = ServiceDeps {
        clock,
        locale: Locale::Zh,
        migrate: true,
    };
    let shared: Arc<dyn Store> = Arc::<WatchedStore>::clone(&store);
    let service = payment::start_with(shared, gateways, Timetable::new(timeout), deps).await;
    let direct = PaymentServiceClient::new(service.transport());
    let running = testkit::serve(service).await.unwrap();
    let client = PaymentServiceClient::new(running.channel.clone());
    Server {
        _home: None,
        store,
        client,
        direct,
        running,
    }
}

pub(crate) fn pay_request(order_id: u64, amount: i64) -> PayRequest {
    PayRequest {
        order_id,
        amount,
        payment_method: "mock".to_owned(),
    }
}

/// Asks for English.
pub(crate) fn in_english<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("accept-language", "en-US".parse().unwrap());
    request
}

impl Server {
    pub(crate) fn pay(
        &self,
        order_id: u64,
        amount: i64,
    ) -> impl Future<Output = PayResponse> + Send + use<> {
        let mut client = self.client.clone();
        async move {
            client
                .pay(pay_request(order_id, amount))
                .await
                .unwrap()
                .into_inner()
        }
    }

    /// Pays, but waits no longer than `patience`.
    pub(crate) async fn pay_within(
        &self,
        order_id: u64,
        patience: Duration,
    ) -> Result<PayResponse, Status> {
        let mut request = Request::new(pay_request(order_id, 500));
        request.set_timeout(patience);
        Ok(self.direct.clone().pay(request).await?.into_inner())
    }

    pub(crate) fn refund(
        &self,
        order_id: u64,
    ) -> impl Future<Output = RefundResponse> + Send + use<> {
        let mut client = self.client.clone();
        async move {
            client
                .refund(RefundRequest { order_id })
                .await
                .unwrap()
                .into_inner()
        }
    }

    pub(crate) async fn get_status(&self, order_id: u64) -> GetPaymentStatusResponse {
        let request = GetPaymentStatusRequest { order_id };
        self.client
            .clone()
            .get_payment_status(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// The payment of an order that has one.
    pub(crate) async fn payment(&self, order_id: u64) -> Payment {
        self.get_status(order_id).await.payment.unwrap()
    }

    /// Waits until an order's payment has a status.
    pub(crate) async fn payment_becomes(&self, order_id: u64, status: i32) -> Payment {
        let what = format!("order {order_id} to have status {status}");
        testkit::eventually(&what, async || {
            self.get_status(order_id)
                .await
                .payment
                .filter(|payment| payment.status == status)
        })
        .await
    }

    /// Waits until so many wishes to pay have been written down or turned away.
    pub(crate) async fn pays_begun(&self, count: usize) {
        testkit::eventually("wishes to pay", async || {
            (self.store.pays_begun.load(Ordering::SeqCst) >= count).then_some(())
        })
        .await;
    }
}

/// A store that counts what passes, and fails where it is told to.
pub(crate) struct WatchedStore {
    inner: Arc<dyn Store>,
    pays_begun: AtomicUsize,
    dues_listed: AtomicUsize,
    gives_dues: watch::Sender<bool>,
    answers_pays: watch::Sender<bool>,
    hidden_event: AtomicU64,
    faults: Mutex<VecDeque<(Step, Fault)>>,
}

/// The batches that a fault waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// One that opens an attempt or a refund.
    Begin,
    /// One that writes down what the gateway said.
    Settle,
}

/// How a batch fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The database cannot be reached.
    NotApplied,
    /// The commit went through, and its answer was lost.
    AppliedUnheard,
}

impl WatchedStore {
    fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            pays_begun: AtomicUsize::new(0),
            dues_listed: AtomicUsize::new(0),
            gives_dues: watch::Sender::new(true),
            answers_pays: watch::Sender::new(true),
            hidden_event: AtomicU64::new(0),
            faults: Mutex::default(),
        }
    }

    /// Keeps lists of due attempts back until `give_dues`.
    pub(crate) fn hold_dues(&self) {
        self.gives_dues.send_replace(false);
    }

    pub(crate) fn give_dues(&self) {
        self.gives_dues.send_replace(true);
    }

    /// Writes wishes to pay down, and keeps the word of it back until `answer_pays`.
    pub(crate) fn hold_pays(&self) {
        self.answers_pays.send_replace(false);
    }

    pub(crate) fn answer_pays(&self) {
        self.answers_pays.send_replace(true);
    }

    /// Leaves this event out of the feed, as if it became visible late; 0: none.
    pub(crate) fn hide_event(&self, id: u64) {
        self.hidden_event.store(id, Ordering::SeqCst);
    }

    /// How many lists that were not empty have been read.
    pub(crate) fn dues_listed(&self) -> usize {
        self.dues_listed.load(Ordering::SeqCst)
    }

    /// Lets the next batch of a kind fail; several wait for their turn.
    pub(crate) fn fail(&self, step: Step, fault: Fault) {
        self.faults.lock().unwrap().push_back((step, fault));
    }

    fn fault_of(&self, batch: &[Op]) -> Option<Fault> {
        let is_of = |step: Step| {
            batch.iter().any(|op| match op {
                Op::BeginPay(_) | Op::BeginRefund(_) => step == Step::Begin,
                Op::SettleCharge(_) | Op::SettleRefund(_) => step == Step::Settle,
                Op::Reschedule(_) => false,
            })
        };
        let mut faults = self.faults.lock().unwrap();
        let (_, fault) = faults.pop_front_if(|(step, _)| is_of(*step))?;
        Some(fault)
    }
}

#[async_trait]
impl IdSource for WatchedStore {
    async fn reserve(&self, count: u64) -> Result<Range<u64>, DbError> {
        self.inner.reserve(count).await
    }
}

#[async_trait]
impl Store for WatchedStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let pays = batch
            .iter()
            .filter(|op| matches!(op, Op::BeginPay(_)))
            .count();
        let fault = self.fault_of(&batch);
        let outcomes = match fault {
            None => self.inner.apply(batch).await,
            Some(Fault::NotApplied) => Err(DbError::Unavailable("unplugged".to_owned())),
            Some(Fault::AppliedUnheard) => {
                self.inner.apply(batch).await?;
                Err(DbError::OutcomeUnknown("connection reset".to_owned()))
            }
        };
        self.pays_begun.fetch_add(pays, Ordering::SeqCst);
        if pays > 0 {
            let mut answers = self.answers_pays.subscribe();
            answers.wait_for(|answers| *answers).await.unwrap();
        }
        outcomes
    }

    async fn find_records(&self, orders: &[OrderId]) -> Result<Vec<Record>, DbError> {
        self.inner.find_records(orders).await
    }

    async fn list_due(&self, now: UnixMillis, limit: u32) -> Result<Vec<Record>, DbError> {
        let due = self.inner.list_due(now, limit).await?;
        if !due.is_empty() {
            self.dues_listed.fetch_add(1, Ordering::SeqCst);
            self.gives_dues
                .subscribe()
                .wait_for(|gives| *gives)
                .await
                .unwrap();
        }
        Ok(due)
    }

    async fn list_events(&self, after: u64, limit: u32) -> Result<Vec<Event>, DbError> {
        let mut events = self.inner.list_events(after, limit).await?;
        let hidden = self.hidden_event.load(Ordering::SeqCst);
        events.retain(|event| event.id != hidden);
        Ok(events)
    }

    async fn measure(&self) -> Result<Measures, DbError> {
        self.inner.measure().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
