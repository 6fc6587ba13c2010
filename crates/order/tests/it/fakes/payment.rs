use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use api::Reply;
use api::payment::v1::payment_service_server::{PaymentService, PaymentServiceServer};
use api::payment::v1::*;
use futures::stream::{self, BoxStream, StreamExt};
use platform::net::Transport;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::{Act, Script, deliver, lock, lost};

const PAID: i32 = 2;
const REFUNDED: i32 = 3;
const FAILED: i32 = 4;

/// Payments with their feed.
#[derive(Debug)]
pub(crate) struct FakePayment {
    pub(crate) pays: Script,
    pub(crate) reads: Script,
    pub(crate) refunds: Script,
    /// Openings of the feed.
    pub(crate) watches: Script,
    /// Whether the feed has more than anybody can ever catch up with: refused charges for no order.
    pub(crate) is_endless: AtomicBool,
    state: Arc<Mutex<Payments>>,
    grown: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Payments {
    by_order: BTreeMap<u64, Payment>,
    events: Vec<PaymentEvent>,
    /// What the feed shows in place of the event with this id.
    forged: BTreeMap<u64, Forgery>,
    charges: usize,
    serial: u64,
}

/// How the feed lies about one event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Forgery {
    /// Leaves it out, once.
    Skip,
    /// Shows it twice.
    Double,
    /// Breaks off in its place, once.
    Break,
}

impl Default for FakePayment {
    fn default() -> Self {
        Self {
            pays: Script::default(),
            reads: Script::default(),
            refunds: Script::default(),
            watches: Script::default(),
            is_endless: AtomicBool::new(false),
            state: Arc::default(),
            grown: watch::channel(0).0,
        }
    }
}

impl Payments {
    /// Charges an order that is not paid, or refuses to.
    fn charge(&mut self, order_id: u64, amount: i64, accept: bool) {
        self.serial += 1;
        let payment_no = format!("PAY20261122000000{:06}", self.serial);
        let third_party_no = if accept {
            format!("MOCK{payment_no}")
        } else {
            String::new()
        };
        let status = if accept { PAID } else { FAILED };
        self.charges += usize::from(accept);
        let payment = Payment {
            id: self.serial,
            payment_no,
            order_id,
            amount,
            status,
            third_party_no,
            ..Default::default()
        };
        self.by_order.insert(order_id, payment);
        self.tell(order_id);
    }

    fn refund(&mut self, order_id: u64) -> RefundResponse {
        let Some(payment) = self.by_order.get_mut(&order_id) else {
            return RefundResponse::refused(1, "no such payment".to_owned());
        };
        let refund_no = format!("REF{}", payment.payment_no);
        match payment.status {
            PAID => {
                payment.status = REFUNDED;
                self.tell(order_id);
                RefundResponse {
                    refund_no,
                    ..Default::default()
                }
            }
            REFUNDED => RefundResponse {
                code: 1,
                refund_no,
                ..Default::default()
            },
            _ => RefundResponse::refused(1, "not paid".to_owned()),
        }
    }

    /// What the feed shows of the events after `after`, the forgeries included.
    fn show(&mut self, after: &mut u64) -> Vec<Result<PaymentEvent, Status>> {
        let mut shown = Vec::new();
        let news: Vec<_> = self
            .events
            .iter()
            .filter(|event| event.event_id > *after)
            .cloned()
            .collect();
        for event in news {
            *after = event.event_id;
            match self.forged.remove(&event.event_id) {
                Some(Forgery::Skip) => {}
                Some(Forgery::Double) => shown.extend([Ok(event.clone()), Ok(event)]),
                Some(Forgery::Break) => {
                    shown.push(Err(lost()));
                    return shown;
                }
                None => shown.push(Ok(event)),
            }
        }
        shown
    }

    fn tell(&mut self, order_id: u64) {
        let payment = &self.by_order[&order_id];
        self.events.push(PaymentEvent {
            event_id: u64::try_from(self.events.len()).unwrap() + 1,
            order_id,
            payment_no: payment.payment_no.clone(),
            amount: payment.amount,
            status: payment.status,
            created_at: 0,
        });
    }
}

impl FakePayment {
    /// Money that somebody paid straight at the payment service.
    pub(crate) fn pay_directly(&self, order_id: u64, amount: i64) {
        lock(&self.state).charge(order_id, amount, true);
        self.announce();
    }

    pub(crate) fn fail_directly(&self, order_id: u64, amount: i64) {
        lock(&self.state).charge(order_id, amount, false);
        self.announce();
    }

    pub(crate) fn refund_directly(&self, order_id: u64) {
        lock(&self.state).refund(order_id);
        self.announce();
    }

    pub(crate) fn forge(&self, event_id: u64, forgery: Forgery) {
        lock(&self.state).forged.insert(event_id, forgery);
    }

    /// The state of the order's payment: 2 PAID, 3 REFUNDED, 4 FAILED, 0 none.
    pub(crate) fn status(&self, order_id: u64) -> i32 {
        lock(&self.state)
            .by_order
            .get(&order_id)
            .map_or(0, |payment| payment.status)
    }

    pub(crate) fn payment_no(&self, order_id: u64) -> String {
        lock(&self.state)
            .by_order
            .get(&order_id)
            .map(|p| p.payment_no.clone())
            .unwrap_or_default()
    }

    /// How many charges went through, ever.
    pub(crate) fn charges(&self) -> usize {
        lock(&self.state).charges
    }

    /// How many events the feed has.
    pub(crate) fn events(&self) -> u64 {
        u64::try_from(lock(&self.state).events.len()).unwrap()
    }

    pub(crate) fn transport(self: &Arc<Self>) -> Transport {
        Transport::new(PaymentServiceServer::from_arc(Arc::clone(self)))
    }

    fn announce(&self) {
        self.grown.send_modify(|count| *count += 1);
    }
}

#[tonic::async_trait]
impl PaymentService for FakePayment {
    async fn pay(&self, request: Request<PayRequest>) -> Result<Response<PayResponse>, Status> {
        let request = request.into_inner();
        if request.payment_method != "mock" {
            return Err(Status::invalid_argument("payment_method"));
        }
        let act = self.pays.act().await?;
        let reply = {
            let mut state = lock(&self.state);
            let before = state
                .by_order
                .get(&request.order_id)
                .map(|payment| payment.status);
            match before {
                Some(PAID) => {}
                Some(REFUNDED) => {
                    return Ok(Response::new(PayResponse::refused(
                        1,
                        "refunded".to_owned(),
                    )));
                }
                _ => state.charge(
                    request.order_id,
                    request.amount,
                    !matches!(act, Act::Refuse(_)),
                ),
            }
            let payment = &state.by_order[&request.order_id];
            if payment.status == PAID {
                PayResponse {
                    payment_no: payment.payment_no.clone(),
                    third_party_no: payment.third_party_no.clone(),
                    ..Default::default()
                }
            } else {
                PayResponse::refused(1, "refused".to_owned())
            }
        };
        self.announce();
        deliver(act, reply)
    }

    async fn get_payment_status(
        &self,
        request: Request<GetPaymentStatusRequest>,
    ) -> Result<Response<GetPaymentStatusResponse>, Status> {
        let act = self.reads.act().await?;
        let payment = lock(&self.state)
            .by_order
            .get(&request.get_ref().order_id)
            .cloned();
        let code = i32::from(payment.is_none());
        deliver(
            act,
            GetPaymentStatusResponse {
                code,
                message: String::new(),
                payment,
            },
        )
    }

    async fn refund(
        &self,
        request: Request<RefundRequest>,
    ) -> Result<Response<RefundResponse>, Status> {
        match self.refunds.act().await? {
            Act::Refuse(code) => {
                deliver(Act::Serve, RefundResponse::refused(code, "no".to_owned()))
            }
            act => {
                let reply = lock(&self.state).refund(request.get_ref().order_id);
                self.announce();
                deliver(act, reply)
            }
        }
    }

    type WatchPaymentsStream = BoxStream<'static, Result<PaymentEvent, Status>>;

    async fn watch_payments(
        &self,
        request: Request<WatchPaymentsRequest>,
    ) -> Result<Response<Self::WatchPaymentsStream>, Status> {
        self.watches.act().await?;
        let after = request.get_ref().after_event_id;
        if self.is_endless.load(Ordering::SeqCst) {
            let refused = |event_id| PaymentEvent {
                event_id,
                order_id: 1 << 40,
                payment_no: format!("PAY20261122000000{event_id:06}"),
                amount: 1,
                status: FAILED,
                created_at: 0,
            };
            let events = stream::iter(after + 1..).map(move |id| Ok(refused(id)));
            return Ok(Response::new(events.boxed()));
        }
        let state = (Arc::clone(&self.state), self.grown.subscribe(), after);
        let pieces = stream::unfold(state, |(payments, mut grown, mut after)| async move {
            loop {
                grown.borrow_and_update();
                let piece = lock(&payments).show(&mut after);
                if !piece.is_empty() {
                    return Some((stream::iter(piece), (payments, grown, after)));
                }
                grown.changed().await.ok()?;
            }
        });
        Ok(Response::new(pieces.flatten().boxed()))
    }
}
