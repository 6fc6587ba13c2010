//! The use cases, a file each: they decide, write through the store, and call other services.
//!
//! Whatever changes something runs in a task that no caller can cancel ([`platform::tasks`]); the
//! caller only waits for it.

mod cancel_order;
mod create_order;
mod expire_orders;
mod follow_payments;
mod fulfil_order;
mod pay_order;
mod read_orders;
mod recover_creations;
mod recover_intents;
mod run_tasks;

use std::sync::Arc;
use std::time::Duration;

use platform::clock::SharedClock;
use platform::context::CallContext;
use platform::crash;
use platform::deadline::Deadline;
use platform::ids::IdAllocator;
use platform::random;
use platform::reader::Reader;
use platform::single_flight::SingleFlight;
use platform::tasks::{TaskError, Tasks};
use types::{Fingerprint, IdempotencyKey, OrderId, OrderStatus, UserId};

use crate::Parts;
use crate::clients::{CatalogClient, InventoryClient, PaymentClient};
use crate::config::Timing;
use crate::delay_queue::{DelayQueue, QueueError};
use crate::domain::{Moved, Op, Order, Stamp, Verdict};
use crate::error::OrderError;
use crate::store::{OrderIds, OrdersByNumber, OrdersByRequest, Store, Writer};

pub(crate) use create_order::{CreateOrder, Created};
use create_order::{Intents, ShortBooks};
pub(crate) use pay_order::{PaidOrder, PayOrder};
pub(crate) use run_tasks::TaskRunner;

/// What is reserved of a caller's deadline, so that there is time left to answer.
const FAREWELL: Duration = Duration::from_millis(200);
/// How long a write that does not end with its caller's deadline may wait for its turn at the writer.
pub(crate) const BACKGROUND_LIMIT: Duration = Duration::from_secs(5);

/// What twins, concurrent duplicates of one request, have in common: user, key and parameters.
type Creation = (UserId, IdempotencyKey, Fingerprint);

/// The use cases, behind the gRPC service and the workers.
pub(crate) struct App {
    store: Arc<dyn Store>,
    reader: Reader<OrdersByNumber>,
    requests: Reader<OrdersByRequest>,
    writer: Writer,
    ids: Arc<IdAllocator>,
    intents: Intents,
    catalog: Arc<dyn CatalogClient>,
    inventory: Arc<dyn InventoryClient>,
    payment: Arc<dyn PaymentClient>,
    queue: Arc<dyn DelayQueue>,
    runner: TaskRunner,
    creations: SingleFlight<Creation, Result<Created, OrderError>>,
    short_books: ShortBooks,
    clock: SharedClock,
    tasks: Tasks,
    timing: Timing,
    /// This replica's name as the holder of a lease.
    holder: Arc<str>,
}

impl App {
    pub(crate) fn new(parts: Parts, clock: SharedClock, tasks: Tasks) -> Arc<Self> {
        let writer = Writer::start(Arc::clone(&parts.store));
        let runner = TaskRunner::new(&parts, writer.clone(), &clock, &tasks);
        let ids = Arc::new(IdAllocator::new(Arc::new(OrderIds(Arc::clone(
            &parts.store,
        )))));
        Arc::new(Self {
            intents: Intents::new(
                Arc::clone(&ids),
                writer.clone(),
                Arc::clone(&clock),
                tasks.clone(),
                parts.timing.creation_lease,
            ),
            ids,
            creations: SingleFlight::new(),
            short_books: ShortBooks::new(parts.timing.short_books_for),
            holder: format!("order-{:016x}", random::number()).into(),
            reader: Reader::start(OrdersByNumber(Arc::clone(&parts.store))),
            requests: Reader::start(OrdersByRequest(Arc::clone(&parts.store))),
            store: parts.store,
            writer,
            catalog: parts.catalog,
            inventory: parts.inventory,
            payment: parts.payment,
            queue: parts.queue,
            runner,
            clock,
            tasks,
            timing: parts.timing,
        })
    }

    /// Applies the writes that wait, then closes the store.
    pub(crate) async fn close(&self) {
        self.intents.close().await;
        self.writer.close().await;
        self.reader.close().await;
        self.requests.close().await;
        self.store.close().await;
    }

    /// Now, and the end of the writer's lease on the tasks of its transition.
    fn stamp(&self) -> Stamp {
        let at = self.clock.now();
        Stamp {
            at,
            tasks_due_at: at.plus(self.timing.task_lease),
        }
    }

    /// Runs a use case that changes something to completion, whether or not its caller stays.
    async fn carry_through<T, F>(&self, name: &'static str, work: F) -> Result<T, OrderError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, OrderError>> + Send + 'static,
    {
        let ended: Result<_, TaskError> = self.tasks.run(name, work).await;
        ended?
    }

    /// Unschedules an order that has left PENDING. An entry that stays is checked once more when it is due.
    async fn forget_deadline(&self, id: OrderId) {
        if let Err(error) = crash::around("queue.remove", self.queue.remove(&[id])).await {
            count_queue_failure(&error);
        }
    }

    /// Moves one order, runs the tasks that the move recorded, and waits for their first try, but
    /// not past the caller's deadline: they are recorded, so they will be done.
    async fn move_order(&self, context: &CallContext, op: Op) -> Result<Order, Refusal> {
        let moved = self.writer.move_order(op, context.deadline).await;
        let moved = moved.map_err(OrderError::from)?;
        let Moved {
            order,
            verdict,
            tasks,
        } = moved.ok_or(OrderError::OrderNotFound)?;
        let first_try = self.runner.run_now(tasks);
        if time_to_answer(context).within(first_try).await.is_err() {
            tracing::warn!(order.no = %order.order_no, "answered before its tasks were done");
        }
        match verdict {
            Verdict::Now | Verdict::Before => Ok(order),
            Verdict::Illegal | Verdict::NotDue => Err(Refusal::Illegal(Box::new(order))),
        }
    }
}

/// The queue is an accelerator: what it loses, or keeps too long, the sweep and the rules set right.
fn count_queue_failure(error: &QueueError) {
    metrics::counter!("bookstore_order_queue_failures_total").increment(1);
    // The queue itself logs an outage and its end, once each.
    tracing::debug!(%error, "left to the sweep");
}

/// A little before the caller stops waiting.
fn time_to_answer(context: &CallContext) -> Deadline {
    let left = context.deadline.remaining();
    Deadline::after(left.saturating_sub(FAREWELL.min(left / 5)))
}

/// Why an order was not moved: its own state, or anything else.
enum Refusal {
    /// The state machine has no such transition; this is the order as it stands.
    Illegal(Box<Order>),
    Other(OrderError),
}

impl From<OrderError> for Refusal {
    fn from(error: OrderError) -> Self {
        Self::Other(error)
    }
}

impl Refusal {
    /// The error for a caller that wanted the order to become `to`.
    fn on_the_way_to(self, to: OrderStatus) -> OrderError {
        match self {
            Self::Illegal(order) => illegal(&order, to),
            Self::Other(error) => error,
        }
    }
}

/// The error where `order` cannot become `to`: not found if callers cannot see it.
fn illegal(order: &Order, to: OrderStatus) -> OrderError {
    match order.stage.shown() {
        Some(from) => OrderError::IllegalTransition { from, to },
        None => OrderError::OrderNotFound,
    }
}
