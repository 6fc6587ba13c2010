//! The payment gateway of the simulated world: slow, silent, forgetful of answers, but honest about
//! money: idempotent by our number, and final once it has decided.
//!
//! It keeps a ledger of its own, and that one is the truth about who was charged how often.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use payment::domain::{ChargeResult, RefundResult, ThirdPartyNo};
use payment::gateway::{
    ChargeAnswer, ChargeRequest, PaymentGateway, QueryAnswer, RefundAnswer, RefundRequest,
};
use platform::clock::pause;
use types::{Fen, OrderId, PaymentNo};

use crate::chance::scramble;
use crate::node::Life;
use crate::tally::Moment;
use crate::world::{World, lock, spawn};

/// The gateway's own books.
#[derive(Default)]
pub(crate) struct Bank {
    charges: Mutex<BTreeMap<PaymentNo, Charge>>,
}

/// One charge, as the gateway has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) order_id: OrderId,
    pub(crate) amount: Fen,
    pub(crate) is_charged: bool,
    pub(crate) is_refunded: bool,
}

impl Charge {
    /// Whether the money is ours.
    pub(crate) const fn is_kept(&self) -> bool {
        self.is_charged && !self.is_refunded
    }
}

impl Bank {
    /// All charges, by number.
    pub(crate) fn charges(&self) -> BTreeMap<PaymentNo, Charge> {
        lock(&self.charges).clone()
    }

    fn find(&self, payment_no: &PaymentNo) -> Option<Charge> {
        lock(&self.charges).get(payment_no).cloned()
    }

    /// Moves the money, once a number.
    fn charge(&self, world: &World, request: &ChargeRequest) -> ChargeResult {
        let mut charges = lock(&self.charges);
        if let Some(first) = charges.get(&request.payment_no) {
            world.count(Moment::ChargedAgain);
            if (first.order_id, first.amount) != (request.order_id, request.amount) {
                let what = format!("{} came again with other parameters", request.payment_no);
                world.break_law("a-number-is-one-charge", what);
            }
            return result_of(&request.payment_no, first);
        }
        let dice = scramble(world.seed ^ number_of(&request.payment_no)) % 1000;
        let charge = Charge {
            order_id: request.order_id,
            amount: request.amount,
            is_charged: dice >= world.plan.gateway.refuse,
            is_refunded: false,
        };
        let kept = charges
            .values()
            .filter(|other| other.order_id == request.order_id && other.is_kept());
        if charge.is_charged && kept.count() > 0 {
            let what = format!(
                "order {}, again by {}",
                request.order_id, request.payment_no
            );
            world.break_law("nobody-is-charged-twice", what);
        }
        world.trace.tell(format_args!(
            "gateway {} order {} {} {}",
            if charge.is_charged {
                "charges"
            } else {
                "refuses"
            },
            request.order_id,
            request.amount,
            request.payment_no,
        ));
        if !charge.is_charged {
            world.count(Moment::ChargeRefused);
        }
        let result = result_of(&request.payment_no, &charge);
        charges.insert(request.payment_no.clone(), charge);
        result
    }

    /// Gives the money back, once a number.
    fn refund(&self, world: &World, request: &RefundRequest) -> RefundResult {
        let mut charges = lock(&self.charges);
        let Some(charge) = charges
            .get_mut(&request.payment_no)
            .filter(|c| c.is_charged)
        else {
            let what = format!("{} was never charged", request.payment_no);
            world.break_law("only-charges-are-refunded", what);
            return RefundResult::Refused;
        };
        if charge.amount != request.amount {
            let what = format!(
                "{}: {} of {}",
                request.payment_no, request.amount, charge.amount
            );
            world.break_law("refunds-are-whole", what);
        }
        if !charge.is_refunded {
            charge.is_refunded = true;
            world.count(Moment::MoneyReturned);
            world
                .trace
                .tell(format_args!("gateway refunds {}", request.payment_no));
        }
        RefundResult::Refunded
    }
}

fn result_of(payment_no: &PaymentNo, charge: &Charge) -> ChargeResult {
    if charge.is_charged {
        let third_party_no = ThirdPartyNo::mock(payment_no);
        ChargeResult::Charged { third_party_no }
    } else {
        ChargeResult::Refused
    }
}

/// A number made of the text: the same in every process.
fn number_of(payment_no: &PaymentNo) -> u64 {
    let bytes = payment_no.as_str().bytes();
    bytes.fold(0, |sum, byte| scramble(sum ^ u64::from(byte)))
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Done, and the answer lost.
    AnswerLost,
    /// Never arrives, never answered.
    Hangs,
    /// Done seconds later, never answered.
    Late(Duration),
}

/// One process's line to the gateway.
pub(crate) struct BankLine {
    pub(crate) world: Arc<World>,
    pub(crate) life: Life,
}

impl BankLine {
    async fn fate(&self) -> Fate {
        self.life.goes_on().await;
        let plan = &self.world.plan.gateway;
        let chance = &self.world.chances.gateway;
        let is = |rate| chance.happens(self.world.rate(rate));
        let fate = if is(plan.lose_answer) {
            self.world.count(Moment::GatewayLostAnswer);
            Fate::AnswerLost
        } else if is(plan.hang) {
            self.world.count(Moment::GatewayHung);
            Fate::Hangs
        } else if is(plan.late) {
            self.world.count(Moment::GatewayLate);
            Fate::Late(chance.millis(1_000, 15_000))
        } else {
            Fate::Answered
        };
        pause(chance.millis(0, plan.latency_ms_max)).await;
        fate
    }

    /// Does `effect` as the call's fate has it; `None` where nobody hears of it.
    async fn call<T: Send + 'static>(
        &self,
        effect: impl FnOnce(&World) -> T + Send + 'static,
    ) -> Option<T> {
        match self.fate().await {
            Fate::Answered => {
                let done = effect(&self.world);
                let latency = self.world.plan.gateway.latency_ms_max;
                pause(self.world.chances.gateway.millis(0, latency)).await;
                Some(done)
            }
            Fate::AnswerLost => {
                drop(effect(&self.world));
                None
            }
            Fate::Hangs => pending().await,
            Fate::Late(wait) => {
                let world = Arc::clone(&self.world);
                world.under_way.fetch_add(1, Ordering::Relaxed);
                spawn(async move {
                    pause(wait).await;
                    drop(effect(&world));
                    world.under_way.fetch_sub(1, Ordering::Relaxed);
                });
                pending().await
            }
        }
    }
}

fn no_answer() -> String {
    "simulated".to_owned()
}

#[async_trait]
impl PaymentGateway for BankLine {
    async fn charge(&self, request: &ChargeRequest) -> ChargeAnswer {
        let request = request.clone();
        match self
            .call(move |world| world.bank.charge(world, &request))
            .await
        {
            Some(result) => ChargeAnswer::Final(result),
            None => ChargeAnswer::Unknown {
                reason: no_answer(),
            },
        }
    }

    async fn query(&self, payment_no: &PaymentNo) -> QueryAnswer {
        let number = payment_no.clone();
        match self.call(move |world| world.bank.find(&number)).await {
            Some(Some(charge)) => QueryAnswer::Final(result_of(payment_no, &charge)),
            Some(None) => QueryAnswer::NotSeen,
            None => QueryAnswer::Unknown {
                reason: no_answer(),
            },
        }
    }

    async fn refund(&self, request: &RefundRequest) -> RefundAnswer {
        let request = request.clone();
        match self
            .call(move |world| world.bank.refund(world, &request))
            .await
        {
            Some(result) => RefundAnswer::Final(result),
            None => RefundAnswer::Unknown {
                reason: no_answer(),
            },
        }
    }
}
