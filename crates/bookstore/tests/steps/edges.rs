//! What lies beyond the services: the bank behind the gateway, with a ledger of its own, and the
//! queue where deadlines wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use order::delay_queue::{DelayQueue, EmbeddedQueue, QueueError};
use order::store::DueOrder;
use payment::domain::{ChargeResult, RefundResult, ThirdPartyNo};
use payment::gateway::{
    ChargeAnswer, ChargeRequest, PaymentGateway, QueryAnswer, RefundAnswer, RefundRequest,
};
use types::{OrderId, PaymentNo, UnixMillis};

use crate::plan::{Plan, Treatment, silence};
use crate::step::{GatewayStep, QueueStep, Step};

/// A bank that keeps what a gateway promises, whatever becomes of its answers; only a refund that it
/// refused it may grant later.
#[derive(Clone)]
pub(crate) struct Bank {
    plan: Arc<Plan>,
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Default)]
struct Ledger {
    charges: BTreeMap<PaymentNo, Charged>,
    /// Orders whose money was held twice at some moment.
    held_twice: Vec<OrderId>,
}

#[derive(Clone, Copy)]
struct Charged {
    order_id: OrderId,
    amount_fen: i64,
    is_held: bool,
    was_refused: bool,
}

impl Bank {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            ledger: Arc::default(),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The money that is held, by the order it was charged for.
    pub(crate) fn held(&self) -> BTreeMap<u64, i64> {
        let mut held = BTreeMap::new();
        for charge in self.ledger().charges.values().filter(|one| one.is_held) {
            *held.entry(charge.order_id.get()).or_default() += charge.amount_fen;
        }
        held
    }

    /// Orders whose money was ever held twice at once.
    pub(crate) fn held_twice(&self) -> Vec<OrderId> {
        self.ledger().held_twice.clone()
    }

    fn take(&self, request: &ChargeRequest, willing: bool) -> ChargeResult {
        let mut ledger = self.ledger();
        let is_news = !ledger.charges.contains_key(&request.payment_no);
        let of_order = |one: &Charged| one.order_id == request.order_id && one.is_held;
        if is_news && willing && ledger.charges.values().any(of_order) {
            ledger.held_twice.push(request.order_id);
        }
        let charge = ledger
            .charges
            .entry(request.payment_no.clone())
            .or_insert(Charged {
                order_id: request.order_id,
                amount_fen: request.amount.get(),
                is_held: willing,
                was_refused: !willing,
            });
        result(&request.payment_no, *charge)
    }

    fn look(&self, payment_no: &PaymentNo) -> QueryAnswer {
        match self.ledger().charges.get(payment_no) {
            Some(charge) => QueryAnswer::Final(result(payment_no, *charge)),
            None => QueryAnswer::NotSeen,
        }
    }

    fn give_back(&self, payment_no: &PaymentNo) -> RefundResult {
        match self.ledger().charges.get_mut(payment_no) {
            Some(charge) if !charge.was_refused => {
                charge.is_held = false;
                RefundResult::Refunded
            }
            _ => RefundResult::Refused,
        }
    }
}

fn result(payment_no: &PaymentNo, charge: Charged) -> ChargeResult {
    if charge.was_refused {
        return ChargeResult::Refused;
    }
    let third_party_no = ThirdPartyNo::mock(payment_no);
    ChargeResult::Charged { third_party_no }
}

fn reason() -> String {
    "the line to the bank is bad".to_owned()
}

#[async_trait]
impl PaymentGateway for Bank {
    async fn charge(&self, request: &ChargeRequest) -> ChargeAnswer {
        self.plan.travel().await;
        let treatment = self.plan.pass(Step::Gateway(GatewayStep::Charge));
        let in_doubt = ChargeAnswer::Unknown { reason: reason() };
        match treatment {
            None => ChargeAnswer::Final(self.take(request, true)),
            Some(Treatment::Repeated) => {
                self.take(request, true);
                ChargeAnswer::Final(self.take(request, true))
            }
            Some(Treatment::Refused) => ChargeAnswer::Final(self.take(request, false)),
            Some(Treatment::LostReply) => {
                self.take(request, true);
                in_doubt
            }
            Some(Treatment::Silence) => {
                self.take(request, true);
                silence().await
            }
            Some(Treatment::Late) => {
                let (bank, request) = (self.clone(), request.clone());
                self.plan.hold(None, async move {
                    bank.take(&request, true);
                });
                in_doubt
            }
            Some(_) => in_doubt,
        }
    }

    async fn query(&self, payment_no: &PaymentNo) -> QueryAnswer {
        self.plan.travel().await;
        match self.plan.pass(Step::Gateway(GatewayStep::Query)) {
            None => self.look(payment_no),
            // A bank may say that it has not seen yet what it has taken in.
            Some(Treatment::Refused) => QueryAnswer::NotSeen,
            Some(Treatment::Silence) => silence().await,
            Some(_) => QueryAnswer::Unknown { reason: reason() },
        }
    }

    async fn refund(&self, request: &RefundRequest) -> RefundAnswer {
        self.plan.travel().await;
        let treatment = self.plan.pass(Step::Gateway(GatewayStep::Refund));
        let in_doubt = RefundAnswer::Unknown { reason: reason() };
        match treatment {
            None => RefundAnswer::Final(self.give_back(&request.payment_no)),
            Some(Treatment::Repeated) => {
                self.give_back(&request.payment_no);
                RefundAnswer::Final(self.give_back(&request.payment_no))
            }
            // Until a person has talked to the bank.
            Some(Treatment::Refused) => RefundAnswer::Final(RefundResult::Refused),
            Some(Treatment::LostReply) => {
                self.give_back(&request.payment_no);
                in_doubt
            }
            Some(Treatment::Silence) => {
                self.give_back(&request.payment_no);
                silence().await
            }
            Some(Treatment::Late) => {
                let (bank, payment_no) = (self.clone(), request.payment_no.clone());
                self.plan.hold(None, async move {
                    bank.give_back(&payment_no);
                });
                in_doubt
            }
            Some(_) => in_doubt,
        }
    }
}

/// The embedded queue, with a bad memory.
pub(crate) struct FaultyQueue {
    plan: Arc<Plan>,
    queue: EmbeddedQueue,
}

impl FaultyQueue {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            queue: EmbeddedQueue::new(),
        }
    }

    async fn ask<T: Default, F>(
        &self,
        step: QueueStep,
        ask: impl Fn() -> F,
    ) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, QueueError>>,
    {
        self.plan.travel().await;
        let away = || Err(QueueError("the queue is away".to_owned()));
        match self.plan.pass(Step::Queue(step)) {
            None => ask().await,
            Some(Treatment::Repeated) => {
                let first = ask().await?;
                ask().await?;
                Ok(first)
            }
            Some(Treatment::LostReply) => {
                ask().await?;
                away()
            }
            Some(Treatment::Forgotten) => Ok(T::default()),
            Some(_) => away(),
        }
    }
}

#[async_trait]
impl DelayQueue for FaultyQueue {
    async fn schedule(&self, entries: &[DueOrder]) -> Result<(), QueueError> {
        self.ask(QueueStep::Schedule, || self.queue.schedule(entries))
            .await
    }

    async fn claim_due(
        &self,
        now: UnixMillis,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<OrderId>, QueueError> {
        self.ask(QueueStep::ClaimDue, || {
            self.queue.claim_due(now, limit, lease)
        })
        .await
    }

    async fn remove(&self, orders: &[OrderId]) -> Result<(), QueueError> {
        self.ask(QueueStep::Remove, || self.queue.remove(orders))
            .await
    }
}
