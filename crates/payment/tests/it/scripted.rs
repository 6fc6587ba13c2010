//! A gateway that does what the test tells it, keeps books of its own, and is idempotent by our
//! numbers, as a real one is; only a refund that it refused may succeed later.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use payment::domain::{ChargeResult, RefundResult, ThirdPartyNo};
use payment::gateway::{
    ChargeAnswer, ChargeRequest, PaymentGateway, QueryAnswer, RefundAnswer, RefundRequest,
};
use tokio::sync::watch;
use types::{OrderId, PaymentNo, RefundNo};

/// What the gateway does about one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    /// Does it, and says so.
    Yes,
    /// Refuses, and says so.
    No,
    /// Does it, and the answer is lost: nobody ever hears of it.
    YesUnheard,
    /// Never hears of it, and never answers.
    Nothing,
    /// Never hears of it; the line breaks at once.
    Broken,
}

/// The gateway. The script is used up call by call; after its end the answer is `Yes`.
pub(crate) struct Scripted {
    books: Mutex<Books>,
    is_open: watch::Sender<bool>,
}

#[derive(Default)]
struct Books {
    charge_script: VecDeque<Say>,
    refund_script: VecDeque<Say>,
    is_deaf: bool,
    charge_calls: usize,
    query_calls: usize,
    refund_calls: usize,
    charges: BTreeMap<PaymentNo, Charge>,
    refunds: BTreeMap<RefundNo, (PaymentNo, RefundResult)>,
}

struct Charge {
    order_id: OrderId,
    fen: i64,
    result: ChargeResult,
}

impl Scripted {
    pub(crate) fn new(charges: &[Say], refunds: &[Say]) -> Arc<Self> {
        let books = Books {
            charge_script: charges.iter().copied().collect(),
            refund_script: refunds.iter().copied().collect(),
            ..Books::default()
        };
        Arc::new(Self {
            books: Mutex::new(books),
            is_open: watch::Sender::new(true),
        })
    }

    /// Carries nothing out and answers nothing until `release`.
    pub(crate) fn hold(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn release(&self) {
        self.is_open.send_replace(true);
    }

    /// Fails queries, or answers them again.
    pub(crate) fn set_deaf(&self, is_deaf: bool) {
        self.books().is_deaf = is_deaf;
    }

    pub(crate) fn charge_calls(&self) -> usize {
        self.books().charge_calls
    }

    pub(crate) fn query_calls(&self) -> usize {
        self.books().query_calls
    }

    pub(crate) fn refund_calls(&self) -> usize {
        self.books().refund_calls
    }

    /// How many charges of the order took its money.
    pub(crate) fn times_charged(&self, order: u64) -> usize {
        let books = self.books();
        let took = |c: &&Charge| c.order_id.get() == order && c.result != ChargeResult::Refused;
        books.charges.values().filter(took).count()
    }

    /// The order's money that the gateway holds for us.
    pub(crate) fn fen_held(&self, order: u64) -> i64 {
        let books = self.books();
        let returned = |no: &PaymentNo| {
            books
                .refunds
                .values()
                .any(|(of, result)| of == no && *result == RefundResult::Refunded)
        };
        let held = books.charges.iter().filter(|(no, charge)| {
            charge.order_id.get() == order
                && charge.result != ChargeResult::Refused
                && !returned(no)
        });
        held.map(|(_, charge)| charge.fen).sum()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    async fn wait_until_open(&self) {
        self.is_open
            .subscribe()
            .wait_for(|is_open| *is_open)
            .await
            .unwrap();
    }
}

#[async_trait]
impl PaymentGateway for Scripted {
    async fn charge(&self, request: &ChargeRequest) -> ChargeAnswer {
        let say = {
            let mut books = self.books();
            books.charge_calls += 1;
            books.charge_script.pop_front().unwrap_or(Say::Yes)
        };
        self.wait_until_open().await;
        let result = match say {
            Say::Yes | Say::YesUnheard => ChargeResult::Charged {
                third_party_no: ThirdPartyNo::mock(&request.payment_no),
            },
            Say::No => ChargeResult::Refused,
            Say::Nothing => pending().await,
            Say::Broken => {
                return ChargeAnswer::Unknown {
                    reason: "connection reset".to_owned(),
                };
            }
        };
        let result = {
            let mut books = self.books();
            let charge = books
                .charges
                .entry(request.payment_no.clone())
                .or_insert(Charge {
                    order_id: request.order_id,
                    fen: request.amount.get(),
                    result,
                });
            assert_eq!(charge.fen, request.amount.get(), "one number, two amounts");
            charge.result.clone()
        };
        if say == Say::YesUnheard {
            pending::<()>().await;
        }
        ChargeAnswer::Final(result)
    }

    async fn query(&self, payment_no: &PaymentNo) -> QueryAnswer {
        self.books().query_calls += 1;
        self.wait_until_open().await;
        let books = self.books();
        if books.is_deaf {
            return QueryAnswer::Unknown {
                reason: "status 500".to_owned(),
            };
        }
        match books.charges.get(payment_no) {
            Some(charge) => QueryAnswer::Final(charge.result.clone()),
            None => QueryAnswer::NotSeen,
        }
    }

    async fn refund(&self, request: &RefundRequest) -> RefundAnswer {
        let say = {
            let mut books = self.books();
            books.refund_calls += 1;
            books.refund_script.pop_front().unwrap_or(Say::Yes)
        };
        self.wait_until_open().await;
        let result = match say {
            Say::Yes | Say::YesUnheard => RefundResult::Refunded,
            // Not booked: the test may let a later one succeed.
            Say::No => return RefundAnswer::Final(RefundResult::Refused),
            Say::Nothing => pending().await,
            Say::Broken => {
                return RefundAnswer::Unknown {
                    reason: "connection reset".to_owned(),
                };
            }
        };
        {
            let mut books = self.books();
            let charge = books.charges.get(&request.payment_no).unwrap();
            assert_eq!(
                charge.fen,
                request.amount.get(),
                "the whole charge goes back"
            );
            assert!(request.third_party_no.is_some());
            let entry = (request.payment_no.clone(), result);
            books.refunds.insert(request.refund_no.clone(), entry);
        }
        if say == Say::YesUnheard {
            pending::<()>().await;
        }
        RefundAnswer::Final(result)
    }
}
