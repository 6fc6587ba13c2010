use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use api::payment::v1 as wire;
use async_trait::async_trait;
use payment::domain::{ChargeResult, Method, RefundResult, ThirdPartyNo, Timetable};
use payment::gateway::{
    ChargeAnswer, ChargeRequest, Gateways, PaymentGateway, QueryAnswer, RefundAnswer, RefundRequest,
};
use payment::store::{MemoryStore, Snapshot, Store};
use platform::net::Transport;
use platform::server::RunningService;
use types::{Fen, OrderId, PaymentNo, PaymentStatus};

use super::{World, ask, deps, let_others_run, words_of};

/// Order 1 is paid, 2 was refused, 3 is refunded.
pub(super) struct PaymentWorld {
    running: RunningService,
    store: Arc<MemoryStore>,
    gateway: Arc<OddRefuses>,
    seeded: (Snapshot, Charges),
    remembered: (Snapshot, Charges),
    words: Vec<String>,
}

/// What the gateway holds, by payment number.
type Charges = BTreeMap<PaymentNo, (OrderId, Fen)>;

/// A gateway that refuses odd amounts and remembers what it holds.
#[derive(Default)]
struct OddRefuses {
    held: Mutex<Charges>,
}

impl OddRefuses {
    fn held<T>(&self, use_it: impl FnOnce(&mut Charges) -> T) -> T {
        use_it(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl PaymentGateway for OddRefuses {
    async fn charge(&self, request: &ChargeRequest) -> ChargeAnswer {
        if request.amount.get() % 2 == 1 {
            return ChargeAnswer::Final(ChargeResult::Refused);
        }
        let charge = (request.order_id, request.amount);
        self.held(|held| held.insert(request.payment_no.clone(), charge));
        let third_party_no = ThirdPartyNo::mock(&request.payment_no);
        ChargeAnswer::Final(ChargeResult::Charged { third_party_no })
    }

    async fn query(&self, _: &PaymentNo) -> QueryAnswer {
        QueryAnswer::NotSeen
    }

    async fn refund(&self, request: &RefundRequest) -> RefundAnswer {
        self.held(|held| held.remove(&request.payment_no));
        RefundAnswer::Final(RefundResult::Refunded)
    }
}

impl PaymentWorld {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let (store, gateway) = (MemoryStore::new(), Arc::new(OddRefuses::default()));
        let method = Method::parse("mock").context("no method")?;
        let gateways = Gateways::new().with(method, Arc::<OddRefuses>::clone(&gateway));
        let timetable = Timetable::new(Duration::from_secs(2));
        let running = payment::start_with(
            Arc::<MemoryStore>::clone(&store),
            gateways,
            timetable,
            deps(),
        )
        .await;
        seed(&running.transport()).await?;
        let seeded = (store.snapshot(), gateway.held(|held| held.clone()));
        Ok(Self {
            running,
            store,
            gateway,
            remembered: seeded.clone(),
            seeded,
            words: words_of(["mock", "mock", "mock", "alipay"]),
        })
    }

    fn now(&self) -> (Snapshot, Charges) {
        (
            self.store.snapshot(),
            self.gateway.held(|held| held.clone()),
        )
    }
}

async fn seed(transport: &Transport) -> anyhow::Result<()> {
    let path = |method: &str| format!("/payment.v1.PaymentService/{method}");
    for (order_id, amount, code) in [(1, 100, 0), (2, 101, 1), (3, 100, 0)] {
        let pay = wire::PayRequest {
            order_id,
            amount,
            payment_method: "mock".to_owned(),
        };
        let reply: wire::PayResponse = ask(transport, &path("Pay"), pay).await?;
        ensure!(reply.code == code, "{reply:?}");
    }
    let refund = wire::RefundRequest { order_id: 3 };
    let reply: wire::RefundResponse = ask(transport, &path("Refund"), refund).await?;
    ensure!(reply.code == 0, "{reply:?}");
    Ok(())
}

#[async_trait(?Send)]
impl World for PaymentWorld {
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

    async fn settle(&self) -> anyhow::Result<()> {
        if self.has_changed() {
            let_others_run().await;
        }
        Ok(())
    }

    /// The feed has no gap, nothing is open, and the gateway holds exactly what is PAID.
    async fn audit(&self) -> anyhow::Result<()> {
        let events = self.store.list_events(0, u32::MAX).await?;
        let mut last = BTreeMap::new();
        for (expected, event) in (1_u64..).zip(&events) {
            ensure!(
                event.id == expected,
                "event {} stands at {expected}",
                event.id
            );
            last.insert(event.order_id, event.status);
        }
        let measures = self.store.measure().await?;
        ensure!(measures.attempts_open == 0, "{measures:?}");
        let mut held = self.gateway.held(|held| held.clone());
        for (order_id, status) in last {
            let mut found = self.store.find_records(&[order_id]).await?;
            let record = found.pop().context("an event of none")?;
            let payment = record.payment;
            ensure!(payment.status == status, "{payment:?} after {status:?}");
            if status == PaymentStatus::Paid {
                let charge = held.remove(&payment.payment_no);
                ensure!(
                    charge == Some((order_id, payment.amount)),
                    "{payment:?}: {charge:?}"
                );
            }
        }
        ensure!(held.is_empty(), "held without a payment: {held:?}");
        Ok(())
    }

    async fn restore(&mut self) -> anyhow::Result<()> {
        let (rows, charges) = &self.seeded;
        self.store.restore(rows);
        self.gateway.held(|held| held.clone_from(charges));
        Ok(())
    }
}
