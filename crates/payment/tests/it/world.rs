//! A small world for property tests: three orders, and a gateway whose mind is made up.
//!
//! Steps are drawn at random; the world turns them into operations that could really come, early,
//! late, twice and out of order.

use payment::domain::{
    BeginPay, BeginRefund, ChargeResult, Method, Op, RefundResult, Reschedule, SettleCharge,
    SettleRefund, ThirdPartyNo,
};
use proptest::prelude::*;
use types::{Fen, OrderId, PaymentNo, UnixMillis};

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Somebody wants to pay an order.
    Pay { order: u64, fen: i64 },
    /// The last wish to pay is applied once more.
    PayAgain,
    /// The gateway's word about the nth last attempt arrives.
    HearCharge { back: usize },
    /// Somebody wants a refund.
    Refund { order: u64 },
    /// The gateway's word about the refund of the nth last attempt arrives.
    HearRefund { back: usize, result: RefundResult },
    /// A worker wants the nth last attempt, having read that it is due early or late.
    Claim {
        back: usize,
        seen_late: bool,
        next_late: bool,
    },
}

pub(crate) fn steps(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Step>> {
    let result = prop_oneof![3 => Just(RefundResult::Refunded), 1 => Just(RefundResult::Refused)];
    let step = prop_oneof![
        4 => (1..=3_u64, 1..=3_i64).prop_map(|(order, fen)| Step::Pay { order, fen }),
        1 => Just(Step::PayAgain),
        4 => (0..4_usize).prop_map(|back| Step::HearCharge { back }),
        2 => (1..=3_u64).prop_map(|order| Step::Refund { order }),
        2 => (0..4_usize, result).prop_map(|(back, result)| Step::HearRefund { back, result }),
        1 => (0..4_usize, any::<bool>(), any::<bool>())
            .prop_map(|(back, seen_late, next_late)| Step::Claim { back, seen_late, next_late }),
    ];
    proptest::collection::vec(step, count)
}

/// When checks are due: early or late.
pub(crate) const EARLY: UnixMillis = UnixMillis::new(1_795_355_000_000);
const LATE: UnixMillis = UnixMillis::new(1_795_356_000_000);

/// Turns steps into operations.
#[derive(Debug)]
pub(crate) struct World {
    now: UnixMillis,
    attempts: Vec<(OrderId, PaymentNo)>,
    last_pay: Option<Op>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: UnixMillis::new(1_795_355_045_000),
            attempts: Vec::new(),
            last_pay: None,
        }
    }

    /// The operation of a step; `None` where there is nothing yet that it could be about.
    pub(crate) fn op(&mut self, step: &Step) -> Option<Op> {
        self.now = UnixMillis::new(self.now.get() + 7);
        match *step {
            Step::Pay { order, fen } => Some(self.begin_pay(order, fen)),
            Step::PayAgain => self.last_pay.take(),
            Step::HearCharge { back } => {
                let (order_id, payment_no) = self.attempt(back)?;
                let result = verdict(&payment_no);
                Some(Op::SettleCharge(SettleCharge {
                    order_id,
                    payment_no,
                    result,
                    now: self.now,
                }))
            }
            Step::Refund { order } => {
                let (order_id, now) = (OrderId::new(order).unwrap(), self.now);
                Some(Op::BeginRefund(BeginRefund {
                    order_id,
                    now,
                    check_at: EARLY,
                }))
            }
            Step::HearRefund { back, result } => {
                let (order_id, payment_no) = self.attempt(back)?;
                Some(Op::SettleRefund(SettleRefund {
                    order_id,
                    payment_no,
                    result,
                    now: self.now,
                }))
            }
            Step::Claim {
                back,
                seen_late,
                next_late,
            } => {
                let (order_id, payment_no) = self.attempt(back)?;
                let at = |late| if late { LATE } else { EARLY };
                let (seen, next) = (at(seen_late), at(next_late));
                Some(Op::Reschedule(Reschedule {
                    order_id,
                    payment_no,
                    seen,
                    next,
                }))
            }
        }
    }

    fn begin_pay(&mut self, order: u64, fen: i64) -> Op {
        let serial = u64::try_from(self.attempts.len()).unwrap() + 1;
        let order_id = OrderId::new(order).unwrap();
        let payment_no = PaymentNo::generate(UnixMillis::new(0), serial);
        self.attempts.push((order_id, payment_no.clone()));
        let op = Op::BeginPay(BeginPay {
            order_id,
            amount: Fen::amount(fen).unwrap(),
            method: Method::parse("mock").unwrap(),
            id: serial,
            payment_no,
            now: self.now,
            check_at: EARLY,
        });
        self.last_pay = Some(op.clone());
        op
    }

    fn attempt(&self, back: usize) -> Option<(OrderId, PaymentNo)> {
        let at = self.attempts.len().checked_sub(back + 1)?;
        self.attempts.get(at).cloned()
    }
}

/// What the gateway says to a charge, whenever it is asked: two of three succeed.
pub(crate) fn verdict(payment_no: &PaymentNo) -> ChargeResult {
    let digits: u64 = payment_no
        .as_str()
        .trim_start_matches("PAY")
        .get(14..)
        .unwrap()
        .parse()
        .unwrap();
    if digits.is_multiple_of(3) {
        ChargeResult::Refused
    } else {
        ChargeResult::Charged {
            third_party_no: ThirdPartyNo::mock(payment_no),
        }
    }
}
