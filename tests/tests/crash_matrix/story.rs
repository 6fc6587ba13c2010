//! What customers do while the shop is crashed: scripts that together come by every crash point, and
//! what can be seen in the end.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use api::catalog::v1::{Book, GetBookRequest, UnpublishBookRequest, UpdateBookRequest};
use api::inventory::v1::{
    CommitStockRequest, DeductStockRequest, GetStockRequest, ReleaseStockRequest,
    RestockInventoryRequest,
};
use api::order::v1::{CompleteOrderRequest, ListOrdersRequest, ShipOrderRequest};
use api::payment::v1::RefundRequest;
use api::{Reply, Rpc};
use bookstore_e2e::Clients;
use bookstore_e2e::goods::{
    CANCELLED, MONEY_RETURNED, PAID, Placed, book, cancel, order, pay, pay_order,
};
use bookstore_e2e::storm::may_be_repeated;
use futures::future::BoxFuture;
use platform::clock::pause;
use prost_types::FieldMask;

/// How long a client that got no answer waits before it asks again, and whoever waits for something
/// before he looks again.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// The longest that a system which is crashed a few times may leave anything undone.
const PATIENCE: Duration = Duration::from_mins(2);
/// The customer of all stories.
const CUSTOMER: u64 = 1;
/// One who orders without a key: how many orders that makes is not the same in each run.
const STRANGER: u64 = 2;

/// A script: settings of the shop, and what is done in it.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// Answers the orders that were made.
    pub(crate) play: fn(Customer) -> BoxFuture<'static, anyhow::Result<Vec<Placed>>>,
}

/// Every flow of the system, each by the straight way and by those that end otherwise.
pub(crate) const STORIES: &[Story] = &[
    Story {
        name: "life",
        settings: &[("PAYMENT__MOCK__SUCCESS_RATE", "1")],
        play: |customer| Box::pin(live(customer)),
    },
    Story {
        name: "timeout",
        // Longer than the wait between two sweeps, so that one of them meets the order while it waits.
        settings: &[
            ("ORDER__PAYMENT_TIMEOUT", "6s"),
            ("PAYMENT__MOCK__SUCCESS_RATE", "1"),
        ],
        play: |customer| Box::pin(miss_the_deadline(customer)),
    },
    Story {
        name: "refused",
        settings: &[("PAYMENT__MOCK__SUCCESS_RATE", "0")],
        play: |customer| Box::pin(pay_in_vain(customer)),
    },
    Story {
        name: "no key",
        settings: &[],
        play: |customer| Box::pin(order_without_key(customer)),
    },
    Story {
        name: "silent gateway",
        settings: &[
            ("PAYMENT__MOCK__SUCCESS_RATE", "1"),
            ("PAYMENT__MOCK__LOSE_ANSWER_RATE", "1"),
            ("PAYMENT__GATEWAY_TIMEOUT", "300ms"),
        ],
        play: |customer| Box::pin(pay_and_cancel(customer)),
    },
    Story {
        name: "slow gateway",
        // Slower than the order service waits for payment.
        settings: &[
            ("PAYMENT__MOCK__SUCCESS_RATE", "1"),
            ("PAYMENT__MOCK__LATENCY", "3500ms"),
            ("PAYMENT__GATEWAY_TIMEOUT", "5s"),
        ],
        play: |customer| Box::pin(pay_and_cancel(customer)),
    },
];

async fn live(customer: Customer) -> anyhow::Result<Vec<Placed>> {
    customer.stock(1, 100).await?;
    customer.stock(2, 10).await?;
    customer.change_books().await?;
    customer.borrow_copies(2).await?;

    let bought = customer.order("bought", &[(1, 2), (2, 1)]).await?;
    customer.pay(&bought, &[0]).await?;
    let order_no = bought.no.clone();
    customer.ask(ShipOrderRequest { order_no }, &[0]).await?;
    let order_no = bought.no.clone();
    customer
        .ask(CompleteOrderRequest { order_no }, &[0])
        .await?;

    let regretted = customer.order("regretted", &[(1, 1)]).await?;
    customer.cancel(&regretted).await?;
    let returned = customer.order("returned", &[(1, 3)]).await?;
    customer.pay(&returned, &[0]).await?;
    customer.cancel(&returned).await?;

    // Past the order service, which hears of it by the feed.
    let direct = customer.order("direct", &[(1, 1)]).await?;
    customer.pay_directly(&direct, direct.total).await?;
    customer.until_order_is(&direct, PAID).await?;
    let order_id = direct.id;
    // A repeat is refused, and names the refund that took place.
    customer.ask(RefundRequest { order_id }, &[0, 1]).await?;
    customer.until_order_is(&direct, CANCELLED).await?;

    let wrong = customer.order("wrong amount", &[(2, 2)]).await?;
    customer.pay_directly(&wrong, wrong.total + 1).await?;
    customer.until_order_is(&wrong, CANCELLED).await?;
    customer.until_money_returned(&wrong).await?;

    // Refused at the end of the saga, and then at sight.
    for key in ["too many", "still too many"] {
        let too_many = order(CUSTOMER, &[(2, 1000)], key);
        customer.ask(too_many, &[40100]).await?;
    }
    let waiting = customer.order("waiting", &[(2, 1)]).await?;
    Ok(vec![bought, regretted, returned, direct, wrong, waiting])
}

async fn miss_the_deadline(customer: Customer) -> anyhow::Result<Vec<Placed>> {
    customer.stock(1, 10).await?;
    let first = customer.order("first", &[(1, 2)]).await?;
    let second = customer.order("second", &[(1, 3)]).await?;
    customer.until_order_is(&first, CANCELLED).await?;
    customer.until_order_is(&second, CANCELLED).await?;
    customer.pay_directly(&first, first.total).await?;
    customer.until_money_returned(&first).await?;
    Ok(vec![first, second])
}

async fn pay_in_vain(customer: Customer) -> anyhow::Result<Vec<Placed>> {
    customer.stock(1, 10).await?;
    let placed = customer.order("unlucky", &[(1, 2)]).await?;
    customer.pay(&placed, &[1]).await?;
    customer.pay(&placed, &[1]).await?;
    Ok(vec![placed])
}

/// An order that nobody can ask for twice: whatever became of it is cancelled in the end.
async fn order_without_key(customer: Customer) -> anyhow::Result<Vec<Placed>> {
    customer.stock(1, 10).await?;
    for quantity in [2, 1000, 3] {
        customer
            .try_once(order(STRANGER, &[(1, quantity)], ""))
            .await;
    }
    customer.cancel_all_of(STRANGER).await?;
    Ok(Vec::new())
}

async fn pay_and_cancel(customer: Customer) -> anyhow::Result<Vec<Placed>> {
    customer.stock(1, 10).await?;
    let kept = customer.order("kept", &[(1, 1)]).await?;
    customer.pay(&kept, &[0]).await?;
    let returned = customer.order("returned", &[(1, 2)]).await?;
    customer.pay(&returned, &[0]).await?;
    customer.cancel(&returned).await?;
    customer.until_money_returned(&returned).await?;
    Ok(vec![kept, returned])
}

/// Somebody who asks again, under the same key, until there is an answer.
#[derive(Clone)]
pub(crate) struct Customer {
    pub(crate) clients: Clients,
}

impl Customer {
    /// Asks until answered; the answer's code must be one of `codes`.
    async fn ask<M: Rpc>(&self, request: M, codes: &[i32]) -> anyhow::Result<M::Reply> {
        let asked = Instant::now();
        loop {
            match self.clients.call(request.clone()).await {
                Ok(reply) => {
                    ensure!(
                        codes.contains(&reply.code()),
                        "{request:?} answered {reply:?}"
                    );
                    return Ok(reply);
                }
                Err(status) => ensure!(
                    may_be_repeated(&status) && asked.elapsed() < PATIENCE,
                    "{request:?} for {:?}: {status:?}",
                    asked.elapsed()
                ),
            }
            pause(RETRY_AFTER).await;
        }
    }

    /// Asks once, whatever comes of it.
    async fn try_once<M: Rpc>(&self, request: M) {
        // No answer is one of the answers.
        drop(self.clients.call(request).await);
    }

    async fn cancel_all_of(&self, user_id: u64) -> anyhow::Result<()> {
        let all = ListOrdersRequest {
            user_id,
            ..ListOrdersRequest::default()
        };
        for order in self.ask(all, &[0]).await?.orders {
            self.ask(cancel(&order.order_no), &[0]).await?;
        }
        Ok(())
    }

    async fn stock(&self, book_id: u64, quantity: i32) -> anyhow::Result<()> {
        // 40903: the first try got through, and its answer was lost.
        self.ask(
            book(book_id, &format!("第{book_id}本书"), 1000),
            &[0, 40903],
        )
        .await?;
        let restock = RestockInventoryRequest {
            book_id,
            quantity,
            idempotency_key: format!("restock-{book_id}"),
        };
        self.ask(restock, &[0]).await?;
        Ok(())
    }

    async fn change_books(&self) -> anyhow::Result<()> {
        let update = UpdateBookRequest {
            book: Some(Book {
                id: 1,
                price: 700,
                ..Book::default()
            }),
            update_mask: Some(FieldMask {
                paths: vec!["price".to_owned()],
            }),
        };
        self.ask(update, &[0]).await?;
        self.ask(book(3, "第3本书", 1000), &[0, 40903]).await?;
        self.ask(UnpublishBookRequest { book_id: 3 }, &[0]).await?;
        Ok(())
    }

    /// Takes copies without an order, gives some back, keeps the rest.
    async fn borrow_copies(&self, book_id: u64) -> anyhow::Result<()> {
        let deduct = DeductStockRequest {
            book_id,
            quantity: 3,
            reference_id: 900,
            idempotency_key: "loan".to_owned(),
        };
        self.ask(deduct, &[0]).await?;
        let release = ReleaseStockRequest {
            book_id,
            quantity: 1,
            reference_id: 900,
            idempotency_key: "loan-back".to_owned(),
        };
        self.ask(release, &[0]).await?;
        let idempotency_key = "loan".to_owned();
        self.ask(CommitStockRequest { idempotency_key }, &[0])
            .await?;
        Ok(())
    }

    async fn order(&self, key: &str, items: &[(u64, i32)]) -> anyhow::Result<Placed> {
        let reply = self.ask(order(CUSTOMER, items, key), &[0]).await?;
        Ok(Placed {
            no: reply.order_no,
            id: reply.order_id,
            total: reply.total,
        })
    }

    async fn pay(&self, placed: &Placed, codes: &[i32]) -> anyhow::Result<()> {
        self.ask(pay_order(&placed.no), codes).await?;
        Ok(())
    }

    async fn pay_directly(&self, placed: &Placed, amount: i64) -> anyhow::Result<()> {
        // 1: the first try got through, and the money went back before the second.
        self.ask(pay(placed.id, amount), &[0, 1]).await?;
        Ok(())
    }

    async fn cancel(&self, placed: &Placed) -> anyhow::Result<()> {
        self.ask(cancel(&placed.no), &[0]).await?;
        Ok(())
    }

    async fn until_order_is(&self, placed: &Placed, status: i32) -> anyhow::Result<()> {
        let what = format!("order {} in state {status}", placed.no);
        self.until(&what, || async {
            let order = self.clients.order_of(&placed.no).await.ok()?;
            (order.status == status).then_some(())
        })
        .await
    }

    async fn until_money_returned(&self, placed: &Placed) -> anyhow::Result<()> {
        let what = format!("the money of order {} returned", placed.no);
        self.until(&what, || async {
            let payment = self.clients.payment_of(placed.id).await.ok()??;
            (payment.status == MONEY_RETURNED).then_some(())
        })
        .await
    }

    async fn until<F>(&self, what: &str, mut look: impl FnMut() -> F) -> anyhow::Result<()>
    where
        F: Future<Output = Option<()>>,
    {
        let began = Instant::now();
        while look().await.is_none() {
            ensure!(began.elapsed() < PATIENCE, "never came true: {what}");
            pause(RETRY_AFTER).await;
        }
        Ok(())
    }

    /// Looks until what can be seen is `expected`.
    pub(crate) async fn until_facts_are(
        &self,
        placed: &[Placed],
        expected: &Facts,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            match self.facts(placed).await {
                Ok(facts) if facts == *expected => return Ok(()),
                Ok(facts) if began.elapsed() > PATIENCE => {
                    bail!("{facts:?}\nin place of {expected:?}")
                }
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                _ => pause(RETRY_AFTER).await,
            }
        }
    }

    /// What can be seen as soon as everybody answers.
    pub(crate) async fn facts_at_last(&self, placed: &[Placed]) -> anyhow::Result<Facts> {
        let began = Instant::now();
        loop {
            match self.facts(placed).await {
                Err(_) if began.elapsed() < PATIENCE => pause(RETRY_AFTER).await,
                seen => return seen,
            }
        }
    }

    /// What can be seen of the shop and of these orders.
    ///
    /// # Errors
    /// Where somebody does not answer.
    async fn facts(&self, placed: &[Placed]) -> anyhow::Result<Facts> {
        let mut facts = Facts::default();
        for book_id in 1..=3 {
            let reply = self.clients.call(GetBookRequest { book_id }).await?;
            let Some(book) = reply.book else {
                continue;
            };
            let stock = self.clients.call(GetStockRequest { book_id }).await?.stock;
            facts.books.push(SeenBook {
                price: book.price,
                unpublished: book.unpublished,
                stock: stock.map(|stock| (stock.quantity, stock.reserved)),
            });
        }
        for placed in placed {
            let order = self.clients.order_of(&placed.no).await?;
            let payment = self.clients.payment_of(placed.id).await?;
            facts.orders.push(SeenOrder {
                status: order.status,
                total: order.total,
                payment: payment.map(|payment| (payment.status, payment.amount)),
            });
        }
        let all = ListOrdersRequest {
            user_id: CUSTOMER,
            ..ListOrdersRequest::default()
        };
        let all = self.clients.done(all).await.context("all orders")?;
        facts.orders_in_all = all.total;
        Ok(facts)
    }
}

/// What can be seen in the end, but for ids and times: the same however often it crashed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    books: Vec<SeenBook>,
    orders: Vec<SeenOrder>,
    /// How many orders callers can see.
    orders_in_all: i64,
}

#[derive(Debug, PartialEq, Eq)]
struct SeenBook {
    price: i64,
    unpublished: bool,
    /// Free and reserved copies, where it was ever stocked.
    stock: Option<(i32, i32)>,
}

#[derive(Debug, PartialEq, Eq)]
struct SeenOrder {
    status: i32,
    total: i64,
    /// State and amount, where somebody ever tried to pay.
    payment: Option<(i32, i64)>,
}
