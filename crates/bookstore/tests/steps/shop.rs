//! All four services in one process, on stores in memory and on virtual time, with the plan's faults
//! between them; and people who call them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, anyhow};
use api::catalog::v1::{Book, PublishBookRequest};
use api::inventory::v1::RestockInventoryRequest;
use api::order::v1::{ListOrdersRequest, Order};
use api::{Clients, Reply, Rpc};
use order::clients::{CatalogGrpc, InventoryGrpc, PaymentGrpc};
use order::delay_queue::DelayQueue;
use order::domain::{Op, TaskStep};
use order::store::Store as _;
use order::{Parts, Timing};
use payment::domain::{Method as PayMethod, Timetable};
use payment::gateway::Gateways;
use platform::clock::{Clock, SharedClock, pause};
use platform::combiner::Batch;
use platform::net::Transport;
use platform::server::{RunningService, ServiceDeps};
use tokio::time::{Instant, timeout};
use tonic::{Code, Request};
use types::{Locale, UnixMillis};

use crate::edges::{Bank, FaultyQueue};
use crate::plan::Plan;
use crate::step::Method;
use crate::stores::Faulty;
use crate::wire::{Caller, Door, Wire};

/// How long a person waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a person waits before asking again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How often a patient person asks: longer than any fault lasts.
const TRIES: u32 = 800;

/// Time of day on tokio's clock, which is paused: it leaps to the next thing that waits.
struct VirtualClock {
    started: Instant,
}

impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(1_795_355_045_000).plus(self.started.elapsed())
    }
}

/// Why a story ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An impatient person was not answered, and went away.
    GaveUp,
    /// Something is wrong.
    Wrong(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Wrong(error)
    }
}

/// How a person leaves a call before its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HangUp {
    /// Drops it where it stands after so many polls.
    AtPoll(u32),
    /// Drops it where it stands after a while.
    After(Duration),
    /// Gave it so much time from the beginning.
    Deadline(Duration),
}

/// A call that is to be left, and what came of that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving {
    pub(crate) method: Method,
    pub(crate) how: HangUp,
    /// Whether the call was made, and then whether its answer was quicker.
    pub(crate) was_answered: Option<bool>,
}

/// What a person was told of an order.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) order_no: String,
    /// The states that the order may be in from then on.
    pub(crate) may_be: &'static [i32],
}

/// The system.
pub(crate) struct Shop {
    pub(crate) plan: Arc<Plan>,
    pub(crate) bank: Bank,
    pub(crate) orders: Arc<order::store::MemoryStore>,
    pub(crate) payments: Arc<payment::store::MemoryStore>,
    pub(crate) stock: Arc<inventory::store::memory::MemoryStore>,
    /// Clients that faults do not touch.
    pub(crate) direct: Clients<Transport>,
    /// Whether people ask again until they are answered.
    pub(crate) is_patient: bool,
    people: Clients<Transport>,
    told: Mutex<Vec<Told>>,
    leaving: Mutex<Option<Leaving>>,
    deps: ServiceDeps,
    timing: Timing,
    queue: Arc<dyn DelayQueue>,
    upstreams: [Transport; 3],
    order_door: Door,
    order: Mutex<Option<RunningService>>,
    others: Vec<RunningService>,
}

impl Shop {
    /// Opens a shop with three books: 1 and 2 of which there are 100 copies, 3 with a single one.
    pub(crate) async fn open(payment_timeout: Duration, is_patient: bool) -> anyhow::Result<Self> {
        let plan = Arc::new(Plan::new());
        let clock: SharedClock = Arc::new(VirtualClock {
            started: Instant::now(),
        });
        let deps = ServiceDeps {
            clock,
            locale: Locale::default(),
            migrate: true,
        };
        let bank = Bank::new(&plan);
        let stock = Arc::new(inventory::store::memory::MemoryStore::new());
        let payments = payment::store::MemoryStore::new();
        let catalog_parts = catalog::Parts {
            store: faulty(&plan, &Arc::new(catalog::store::MemoryStore::new())),
            redis: None,
        };
        let catalog = catalog::start_with(catalog_parts, deps.clone()).await?;
        let inventory = inventory::start_with_store(faulty(&plan, &stock), deps.clone()).await;
        let mock = PayMethod::parse("mock").context("a name")?;
        let payment = payment::start_with(
            faulty(&plan, &payments),
            Gateways::new().with(mock, Arc::new(bank.clone())),
            Timetable::new(Duration::from_secs(2)),
            deps.clone(),
        )
        .await;
        let inner = [
            catalog.transport(),
            inventory.transport(),
            payment.transport(),
        ];
        let upstreams = inner
            .clone()
            .map(|to| wire(&plan, Caller::Order, &Door::to(to)));
        // Nobody gets in before the order service is started, below.
        let order_door = Door::to(inner[0].clone());
        let [catalog_way, inventory_way, payment_way] = inner;
        let asked = |to: &Transport| wire(&plan, Caller::Person, &Door::to(to.clone()));
        let people = Clients::new([
            asked(&catalog_way),
            asked(&inventory_way),
            wire(&plan, Caller::Person, &order_door),
            asked(&payment_way),
        ]);
        let mut shop = Self {
            direct: people.clone(),
            people,
            bank,
            orders: Arc::new(order::store::MemoryStore::new()),
            payments,
            stock,
            is_patient,
            told: Mutex::default(),
            leaving: Mutex::default(),
            deps,
            // Idle rounds cost more than all the work; what is late is late all the same.
            timing: Timing {
                expire_every: Duration::from_millis(500),
                run_tasks_every: Duration::from_millis(500),
                ..Timing::standard(payment_timeout)
            },
            queue: Arc::new(FaultyQueue::new(&plan)),
            plan,
            upstreams,
            order_door,
            order: Mutex::default(),
            others: vec![payment, inventory, catalog],
        };
        shop.start_order().await;
        let order_way = lock(&shop.order).as_ref().map(RunningService::transport);
        let order_way = order_way.context("it was just started")?;
        shop.direct = Clients::new([catalog_way, inventory_way, order_way, payment_way]);
        for (id, price, copies) in [(1, 100, 100), (2, 250, 100), (3, 999, 1)] {
            shop.furnish(id, price, copies).await?;
        }
        Ok(shop)
    }

    async fn furnish(&self, id: u64, price: i64, quantity: i32) -> anyhow::Result<()> {
        let book = Book {
            id,
            title: format!("第{id}本书"),
            author: "作者".to_owned(),
            price,
            ..Book::default()
        };
        let book = Some(book);
        self.directly(PublishBookRequest { book }).await?;
        let idempotency_key = format!("first-{id}");
        self.directly(RestockInventoryRequest {
            book_id: id,
            quantity,
            idempotency_key,
        })
        .await?;
        Ok(())
    }

    async fn start_order(&self) {
        let [catalog, inventory, payment] = self.upstreams.clone();
        let parts = Parts {
            store: faulty(&self.plan, &self.orders),
            queue: Arc::clone(&self.queue),
            catalog: Arc::new(CatalogGrpc::new(catalog)),
            inventory: Arc::new(InventoryGrpc::new(inventory)),
            payment: Arc::new(PaymentGrpc::new(payment)),
            timing: self.timing,
        };
        let started = order::start_with(parts, self.deps.clone()).await;
        self.order_door.move_to(started.transport());
        *lock(&self.order) = Some(started);
    }

    /// Stops the order service as a signal would, and starts it again.
    pub(crate) async fn restart_order(&self) {
        let running = lock(&self.order).take();
        if let Some(running) = running {
            running.stop().await;
        }
        self.start_order().await;
    }

    /// Stops everything, those last that others call.
    pub(crate) async fn close(self) {
        let order = lock(&self.order).take();
        for service in order.into_iter().chain(self.others) {
            service.stop().await;
        }
    }

    /// Asks past all faults; the answer must be code 0.
    pub(crate) async fn directly<M: Rpc>(&self, request: M) -> anyhow::Result<M::Reply> {
        let asked = format!("{request:?}");
        let reply = M::send(&self.direct, Request::new(request))
            .await?
            .into_inner();
        anyhow::ensure!(reply.code() == 0, "{asked}: {reply:?}");
        Ok(reply)
    }

    /// Asks once, whatever comes of it.
    pub(crate) async fn try_once<M: Rpc>(&self, request: M) -> Result<(), Stop> {
        self.ask(request).await?;
        Ok(())
    }

    /// Waits for creations without a key to end, each as an order or as nothing.
    pub(crate) async fn until_no_intent_is_open(&self) -> Result<(), Stop> {
        let never = UnixMillis::new(i64::MAX);
        for _ in 0..TRIES {
            let open = self.orders.due_intents(never, 1).await;
            if open.is_ok_and(|open| open.is_empty()) {
                return Ok(());
            }
            pause(ASK_AGAIN_AFTER).await;
        }
        Err(anyhow!("an intent stays open").into())
    }

    /// Asks until an answer is one that `is_done` likes, or, as an impatient person, once.
    pub(crate) async fn until<M: Rpc>(
        &self,
        request: M,
        is_done: impl Fn(&M::Reply) -> bool,
    ) -> Result<M::Reply, Stop> {
        let mut last = None;
        for _ in 0..if self.is_patient { TRIES } else { 1 } {
            match self.ask(request.clone()).await? {
                Some(reply) if is_done(&reply) => return Ok(reply),
                reply => last = reply,
            }
            pause(ASK_AGAIN_AFTER).await;
        }
        if self.is_patient {
            return Err(anyhow!("never done: {request:?}; in the end {last:?}").into());
        }
        Err(Stop::GaveUp)
    }

    /// Asks until the answer is code 0.
    pub(crate) async fn done<M: Rpc>(&self, request: M) -> Result<M::Reply, Stop> {
        self.until(request, |reply| reply.code() == 0).await
    }

    /// One call; `None` where no answer came, or a status that a caller must expect.
    async fn ask<M: Rpc>(&self, message: M) -> Result<Option<M::Reply>, Stop> {
        let asked = format!("{message:?}");
        let leaving = self.how_to_leave(M::PATH);
        let mut request = Request::new(message);
        request.set_timeout(match leaving {
            Some(HangUp::Deadline(wait)) => wait,
            _ => PATIENCE,
        });
        let call = M::send(&self.people, request);
        let answer = match leaving {
            Some(HangUp::AtPoll(polls)) => poll_times(polls, call).await,
            Some(HangUp::After(wait)) => timeout(wait, call).await.ok(),
            Some(HangUp::Deadline(_)) | None => timeout(PATIENCE, call).await.ok(),
        };
        if leaving.is_some() {
            let was_answered = matches!(answer, Some(Ok(_)));
            if let Some(leaving) = &mut *lock(&self.leaving) {
                leaving.was_answered = Some(was_answered);
            }
        }
        match answer {
            Some(Ok(reply)) => Ok(Some(reply.into_inner())),
            Some(Err(status)) => match status.code() {
                Code::Unavailable
                | Code::DeadlineExceeded
                | Code::Cancelled
                | Code::FailedPrecondition => Ok(None),
                _ => Err(anyhow!("{asked}: {status:?}").into()),
            },
            None => Ok(None),
        }
    }

    /// The first call of `method` will be left.
    pub(crate) fn leave(&self, method: Method, how: HangUp) {
        *lock(&self.leaving) = Some(Leaving {
            method,
            how,
            was_answered: None,
        });
    }

    /// What came of the call that was to be left.
    pub(crate) fn left(&self) -> Option<Leaving> {
        *lock(&self.leaving)
    }

    fn how_to_leave(&self, path: &str) -> Option<HangUp> {
        let leaving = (*lock(&self.leaving))?;
        let is_now = leaving.method.path() == path && leaving.was_answered.is_none();
        is_now.then_some(leaving.how)
    }

    /// Notes what a person was told.
    pub(crate) fn note(&self, order_no: &str, may_be: &'static [i32]) {
        let order_no = order_no.to_owned();
        lock(&self.told).push(Told { order_no, may_be });
    }

    /// Everything that people were told, in order.
    pub(crate) fn told(&self) -> Vec<Told> {
        lock(&self.told).clone()
    }

    /// Every order that callers can see.
    pub(crate) async fn visible_orders(&self) -> anyhow::Result<Vec<Order>> {
        let request = ListOrdersRequest {
            page_size: 100,
            ..ListOrdersRequest::default()
        };
        let mut client = self.order_client()?;
        Ok(client.list_orders(request).await?.into_inner().orders)
    }

    /// Past all faults, to wherever the order service is now.
    fn order_client(
        &self,
    ) -> anyhow::Result<api::order::v1::order_service_client::OrderServiceClient<Transport>> {
        let way = lock(&self.order).as_ref().map(RunningService::transport);
        let way = way.context("the order service is down")?;
        Ok(api::order::v1::order_service_client::OrderServiceClient::new(way))
    }

    /// Cancels an order past all faults.
    pub(crate) async fn cancel_directly(&self, order_no: String) -> anyhow::Result<()> {
        let reason = "the end".to_owned();
        let request = api::order::v1::CancelOrderRequest { order_no, reason };
        let reply = self.order_client()?.cancel_order(request).await?;
        anyhow::ensure!(reply.get_ref().code == 0, "{reply:?}");
        Ok(())
    }

    /// Waits until an order is in a state.
    pub(crate) async fn until_order_is(&self, id: u64, status: i32) -> Result<(), Stop> {
        for _ in 0..TRIES {
            let orders = self.visible_orders().await?;
            let found = orders.iter().find(|order| order.id == id);
            if found.is_some_and(|order| order.status == status) {
                return Ok(());
            }
            pause(ASK_AGAIN_AFTER).await;
        }
        Err(anyhow!("order {id} never came to state {status}").into())
    }

    /// Waits until what is left of tasks waits for a person.
    pub(crate) async fn until_parked_or_done(&self) -> Result<(), Stop> {
        for _ in 0..TRIES {
            let health = self.orders.health(self.deps.clock.now()).await;
            if health.context("figures")?.tasks_outstanding == 0 {
                return Ok(());
            }
            pause(ASK_AGAIN_AFTER).await;
        }
        Err(anyhow!("tasks are tried for ever").into())
    }

    /// What a person does who has set right what tasks were refused for.
    pub(crate) async fn resume_parked(&self) -> anyhow::Result<()> {
        let store = Faulty {
            plan: Arc::clone(&self.plan),
            store: Arc::clone(&self.orders),
        };
        for _ in 0..TRIES {
            let parked = self.orders.parked_tasks(100).await?;
            if parked.is_empty() {
                return Ok(());
            }
            let at = self.deps.clock.now();
            let step = TaskStep::Resume { at };
            let resume = |key| Op::Task {
                key,
                step: step.clone(),
            };
            let ops: Vec<_> = parked.iter().map(|task| resume(task.key)).collect();
            if store.apply(Batch::from(ops)).await.is_err() {
                pause(ASK_AGAIN_AFTER).await;
            }
        }
        Err(anyhow!("parked tasks cannot be resumed"))
    }
}

/// Polls a call so many times, and drops it when it would be polled once more.
async fn poll_times<F: Future>(polls: u32, call: F) -> Option<F::Output> {
    let (mut call, mut left) = (pin!(call), polls);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        call.as_mut().poll(cx).map(Some)
    })
    .await
}

fn faulty<S>(plan: &Arc<Plan>, store: &Arc<S>) -> Arc<Faulty<S>> {
    Arc::new(Faulty {
        plan: Arc::clone(plan),
        store: Arc::clone(store),
    })
}

fn wire(plan: &Arc<Plan>, caller: Caller, door: &Door) -> Transport {
    Transport::new(Wire {
        caller,
        door: door.clone(),
        plan: Arc::clone(plan),
    })
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
