use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use api::order::v1 as wire;
use async_trait::async_trait;
use order::Timing;
use order::delay_queue::EmbeddedQueue;
use order::domain::Stage;
use order::store::{MemoryStore, OrderFilter, Snapshot, Store};
use platform::net::Transport;
use platform::server::RunningService;
use types::{OrderStatus, Page, PaymentStatus, UnixMillis, Violations};

use super::upstreams::{Held, Hold, Upstreams};
use super::{World, ask, deps, let_others_run, words_of};

/// An order in each state, and one more that is PENDING under a key.
pub(super) struct OrderWorld {
    running: RunningService,
    store: Arc<MemoryStore>,
    upstreams: Arc<Upstreams>,
    seeded: (Snapshot, Held),
    remembered: (Snapshot, Held),
    words: Vec<String>,
}

/// How often [`World::settle`] looks whether all tasks are done.
const LOOKS_MAX: u32 = 200;

impl OrderWorld {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let (store, upstreams) = (Arc::new(MemoryStore::new()), Arc::new(Upstreams::default()));
        let parts = order::Parts {
            store: Arc::<MemoryStore>::clone(&store),
            queue: Arc::new(EmbeddedQueue::new()),
            catalog: Arc::<Upstreams>::clone(&upstreams),
            inventory: Arc::<Upstreams>::clone(&upstreams),
            payment: Arc::<Upstreams>::clone(&upstreams),
            timing: calm(),
        };
        let running = order::start_with(parts, deps()).await;
        let numbers = seed(&running.transport()).await?;
        let mut world = Self {
            seeded: (store.snapshot(), Held::default()),
            remembered: (store.snapshot(), Held::default()),
            running,
            store,
            upstreams,
            words: words_of(numbers.iter().map(String::as_str).chain(["keyed"])),
        };
        world.settle().await?;
        world.seeded = world.now();
        Ok(world)
    }

    fn now(&self) -> (Snapshot, Held) {
        let held = self.upstreams.held(|held| held.clone());
        (self.store.snapshot(), held)
    }
}

/// Workers that begin no second round while anybody looks.
fn calm() -> Timing {
    let never = Duration::from_hours(24);
    Timing {
        expire_every: never,
        run_tasks_every: never,
        recover_every: never,
        sweep_every: never,
        follow_every: never,
        measure_every: never,
        ..Timing::standard(Duration::from_mins(15))
    }
}

/// Makes the orders; answers their numbers.
async fn seed(transport: &Transport) -> anyhow::Result<Vec<String>> {
    let path = |method: &str| format!("/order.v1.OrderService/{method}");
    let mut numbers = Vec::new();
    for key in ["", "", "", "", "", "keyed"] {
        let item = wire::CreateOrderItem {
            book_id: 2,
            quantity: 3,
        };
        let create = wire::CreateOrderRequest {
            user_id: 1,
            items: vec![item],
            idempotency_key: key.to_owned(),
        };
        let reply: wire::CreateOrderResponse = ask(transport, &path("CreateOrder"), create).await?;
        ensure!(reply.code == 0, "{reply:?}");
        numbers.push(reply.order_no);
    }
    // The first stays PENDING; then PAID, SHIPPED, COMPLETED, CANCELLED.
    for number in numbers.iter().skip(1).take(3) {
        let pay = wire::PayOrderRequest {
            order_no: number.clone(),
            payment_method: "mock".to_owned(),
        };
        let reply: wire::PayOrderResponse = ask(transport, &path("PayOrder"), pay).await?;
        ensure!(reply.code == 0, "{reply:?}");
    }
    for number in numbers.iter().skip(2).take(2) {
        let order_no = number.clone();
        let reply: wire::ShipOrderResponse = ask(
            transport,
            &path("ShipOrder"),
            wire::ShipOrderRequest { order_no },
        )
        .await?;
        ensure!(reply.code == 0, "{reply:?}");
    }
    let complete = wire::CompleteOrderRequest {
        order_no: numbers[3].clone(),
    };
    let reply: wire::CompleteOrderResponse =
        ask(transport, &path("CompleteOrder"), complete).await?;
    ensure!(reply.code == 0, "{reply:?}");
    let cancel = wire::CancelOrderRequest {
        order_no: numbers[4].clone(),
        reason: "图".to_owned(),
    };
    let reply: wire::CancelOrderResponse = ask(transport, &path("CancelOrder"), cancel).await?;
    ensure!(reply.code == 0, "{reply:?}");
    Ok(numbers)
}

#[async_trait(?Send)]
impl World for OrderWorld {
    fn transport(&self) -> Transport {
        self.running.transport()
    }

    fn words(&self) -> &[String] {
        &self.words
    }

    fn remember(&mut self) {
        self.remembered = self.now();
    }

    fn has_changed(&self) -> bool {
        self.now() != self.remembered
    }

    /// Tasks run beside the call that made them.
    async fn settle(&self) -> anyhow::Result<()> {
        for _ in 0..LOOKS_MAX {
            if self
                .store
                .health(UnixMillis::new(0))
                .await?
                .tasks_outstanding
                == 0
            {
                return Ok(());
            }
            let_others_run().await;
        }
        bail!("a task is not done")
    }

    /// An order holds its stock exactly while it is PENDING or PAID, and its money exactly while it
    /// is PAID, SHIPPED or COMPLETED; nobody holds anything without an order.
    async fn audit(&self) -> anyhow::Result<()> {
        let mut held = self.upstreams.held(|held| held.clone());
        let filter = OrderFilter {
            user_id: None,
            status: None,
        };
        let page = Page::read(1, 100, &mut Violations::default());
        let (orders, total) = self.store.list_orders(filter, page).await?;
        ensure!(total <= 100, "more orders than one page has");
        for detail in &orders {
            let order = &detail.order;
            let stock = held.stock.remove(&order.order_no);
            let money = held.money.remove(&order.id);
            let Stage::Live(status) = order.stage else {
                bail!("{order:?} is shown");
            };
            let (hold, is_paid) = match status {
                OrderStatus::Pending => (Hold::Held, false),
                OrderStatus::Paid => (Hold::Held, true),
                OrderStatus::Shipped | OrderStatus::Completed => (Hold::Committed, true),
                OrderStatus::Cancelled => (Hold::Released, false),
            };
            ensure!(stock == Some(hold), "{order:?}: {stock:?}");
            let paid = money.filter(|(_, status)| *status == PaymentStatus::Paid);
            ensure!(
                paid.map(|(amount, _)| amount) == is_paid.then_some(order.total),
                "{order:?}: {money:?}"
            );
        }
        held.stock.retain(|_, hold| *hold != Hold::Released);
        ensure!(
            held.stock.is_empty(),
            "held without an order: {:?}",
            held.stock
        );
        ensure!(
            held.money.is_empty(),
            "paid without an order: {:?}",
            held.money
        );
        Ok(())
    }

    async fn restore(&mut self) -> anyhow::Result<()> {
        let (rows, held) = &self.seeded;
        self.store.restore(rows);
        self.upstreams.held(|now| now.clone_from(held));
        Ok(())
    }
}
