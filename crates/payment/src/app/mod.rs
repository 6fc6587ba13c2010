//! The use cases, one file each; `ask` is what they have in common.

mod ask;
mod call_gateway;
mod find_payment;
mod flights;
mod pay;
mod refund;
mod settle_leftovers;
mod wait;
mod watch_payments;

use std::sync::Arc;
use std::time::Duration;

use platform::clock::SharedClock;
use platform::combiner::{Combiner, CombinerLimits, WriteError};
use platform::db::DbError;
use platform::deadline::Deadline;
use platform::ids::{IdAllocator, IdSource};
use platform::reader::Reader;
use platform::tasks::Tasks;
use tokio::sync::{Notify, Semaphore};

use crate::domain::{Method, Op, Outcome, Timetable};
use crate::gateway::Gateways;
use crate::store::{RecordsByOrder, Store, StoreWriter};

pub(crate) use pay::{PayAnswer, PayRequest};
pub(crate) use refund::RefundAnswer;

use flights::Flights;
use settle_leftovers::{LEFTOVERS_AT_ONCE, LEFTOVERS_EVERY};

/// How often the metrics page gets new figures.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// The service behind its gRPC front end.
pub(crate) struct Payments {
    store: Arc<dyn Store>,
    reader: Reader<RecordsByOrder>,
    writer: Combiner<Op, Outcome>,
    serials: IdAllocator,
    gateways: Gateways,
    timetable: Timetable,
    clock: SharedClock,
    tasks: Tasks,
    /// The attempts that this process is asking a gateway about.
    flights: Flights,
    /// Notified whenever this process has settled something, which appends to the feed as a rule.
    feed_grown: Notify,
    /// Bounds how many leftovers are asked about at once.
    leftovers: Arc<Semaphore>,
}

impl Payments {
    /// Creates the service and starts its workers on `tasks`.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        gateways: Gateways,
        timetable: Timetable,
        clock: SharedClock,
        tasks: Tasks,
    ) -> Arc<Self> {
        let ids: Arc<dyn IdSource> = Arc::<dyn Store>::clone(&store);
        let writer = StoreWriter(Arc::clone(&store));
        let payments = Arc::new(Self {
            reader: Reader::start(RecordsByOrder(Arc::clone(&store))),
            writer: Combiner::start("payment", writer, CombinerLimits::default()),
            serials: IdAllocator::new(ids),
            store,
            gateways,
            timetable,
            clock,
            tasks,
            flights: Flights::default(),
            feed_grown: Notify::new(),
            leftovers: Arc::new(Semaphore::new(LEFTOVERS_AT_ONCE)),
        });
        payments.start_workers();
        payments
    }

    /// Whether `method` names a gateway that can be asked.
    pub(crate) fn has_gateway(&self, method: &Method) -> bool {
        self.gateways.find(method).is_some()
    }

    /// Drains pending writes and reads, and accepts no more.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
    }

    fn start_workers(self: &Arc<Self>) {
        let payments = Arc::clone(self);
        self.tasks
            .repeat("settle leftovers", LEFTOVERS_EVERY, move || {
                let payments = Arc::clone(&payments);
                async move { payments.settle_leftovers().await }
            });
        let payments = Arc::clone(self);
        self.tasks
            .repeat("measure payments", MEASURE_EVERY, move || {
                let payments = Arc::clone(&payments);
                async move { payments.measure().await }
            });
    }

    /// Submits an operation to the writer; `read` extracts the kind of outcome that belongs to it.
    async fn submit<T>(
        &self,
        op: Op,
        deadline: Deadline,
        read: impl FnOnce(Outcome) -> Option<T>,
    ) -> Result<T, WriteError> {
        let outcome = self.writer.submit(op, deadline).await?;
        read(outcome).ok_or_else(|| {
            WriteError::Db(DbError::Broken(
                "an operation heard another one's answer".to_owned(),
            ))
        })
    }

    async fn measure(&self) {
        match self.store.measure().await {
            Ok(measures) => {
                let gauge = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
                metrics::gauge!("bookstore_payment_attempts_open")
                    .set(gauge(measures.attempts_open));
                metrics::gauge!("bookstore_payment_feed_events").set(gauge(measures.last_event_id));
            }
            Err(error) => tracing::warn!(%error, "payments cannot be measured"),
        }
    }
}
