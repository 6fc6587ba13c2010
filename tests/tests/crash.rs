//! Proves: `kill -9` in the midst of a storm of orders loses nothing that was acknowledged and
//! leaves nothing half done. The auditor finds nothing within 30 s of the end of the storm, and every
//! order and payment is there, in a state that fits what its client was told.
//!
//! `BOOKSTORE_TEST_KILLS` sets how often the system is killed, ten times by default.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use api::order::v1::{CompleteOrderRequest, ShipOrderRequest};
use api::{Reply, Rpc};
use bookstore_e2e::goods::{
    CANCELLED, COMPLETED, MONEY_RETURNED, MONEY_TAKEN, PAID, PENDING, Placed, SHIPPED, cancel,
    order, pay, pay_order,
};
use bookstore_e2e::{Clients, Layout, Service, System, setting_number};
use futures::future::{try_join, try_join_all};
use platform::clock::pause;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::eventually;
use tonic::{Code, Status};

/// A gateway as real ones are: slow at times, not always willing, and with answers that get lost.
const UNSURE: [(&str, &str); 6] = [
    ("PAYMENT__MOCK__SUCCESS_RATE", "0.7"),
    ("PAYMENT__MOCK__LATENCY", "2ms"),
    ("PAYMENT__MOCK__LOSE_ANSWER_RATE", "0.02"),
    ("PAYMENT__MOCK__HANG_RATE", "0.02"),
    ("PAYMENT__GATEWAY_TIMEOUT", "300ms"),
    ("TELEMETRY__LOG", "error"),
];
/// How many clients order at the same time.
const CLIENTS: u64 = 12;
/// How many answers a round waits for before it kills.
const ANSWERS_A_ROUND: u64 = 60;
/// How long a client that got no answer waits before it asks again.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// The longest that a system which is killed now and then may leave a client without an answer.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_killed_in_a_storm_loses_nothing() -> anyhow::Result<()> {
    let mut shop = System::alone(Layout::Together, &UNSURE).await?;
    storm(&mut shop, |shop, _| shop.kill()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_killed_one_by_one_in_a_storm_lose_nothing() -> anyhow::Result<()> {
    let mut shop = System::alone(Layout::Apart, &UNSURE).await?;
    storm(&mut shop, |shop, round| {
        shop.kill_all_of(Service::ALL[round % 4])
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_killed_with_both_replicas_in_a_storm_lose_nothing() -> anyhow::Result<()> {
    let Some(mut shop) = System::twice(&UNSURE).await? else {
        return Ok(());
    };
    storm(&mut shop, |shop, round| {
        shop.kill_all_of(Service::ALL[round % 4])
    })
    .await
}

async fn storm(
    shop: &mut System,
    kill: impl Fn(&mut System, usize) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let mut books = Vec::new();
    for _ in 0..5 {
        books.push(clients.stocked(1000, 100_000).await?);
    }
    let weather = Arc::new(Weather::default());
    let customers = (1..=CLIENTS).map(|user_id| {
        let customer = Customer {
            user_id,
            clients: clients.clone(),
            books: books.clone(),
            weather: Arc::clone(&weather),
            dice: StdRng::seed_from_u64(user_id),
            orders: Vec::new(),
        };
        customer.shop_until_the_storm_ends()
    });
    let breaking = async {
        for round in 0..setting_number("BOOKSTORE_TEST_KILLS", 10) {
            weather.more_answers().await;
            kill(shop, usize::try_from(round)?)?;
            shop.start().await?;
        }
        weather.is_over.store(true, Ordering::SeqCst);
        anyhow::Ok(())
    };
    let (lists, ()) = try_join(try_join_all(customers), breaking).await?;

    shop.expect_clean().await?;
    let known: Vec<Known> = lists.into_iter().flatten().collect();
    ensure!(!known.is_empty(), "no order was acknowledged");
    for order in &known {
        verify(&clients, order)
            .await
            .with_context(|| format!("{order:?}"))?;
    }
    Ok(())
}

/// What all customers share.
#[derive(Default)]
struct Weather {
    /// How many calls were answered so far.
    answers: AtomicU64,
    /// Whether the last kill is over: customers finish what they are at and go home.
    is_over: AtomicBool,
}

impl Weather {
    async fn more_answers(&self) {
        let goal = self.answers.load(Ordering::SeqCst) + ANSWERS_A_ROUND;
        eventually("enough answers in a round", || async {
            (self.answers.load(Ordering::SeqCst) >= goal).then_some(())
        })
        .await;
    }
}

/// An order that its client was told of, and the states that it may be in by all it was told.
#[derive(Debug)]
struct Known {
    placed: Placed,
    may_be: BTreeSet<i32>,
    /// The number of the payment that was acknowledged.
    payment_no: Option<String>,
}

impl Known {
    /// The client was told that the order is in this state.
    fn is(&mut self, status: i32) {
        self.may_be = BTreeSet::from([status]);
    }
}

/// Makes orders, moves them on, and keeps account of every answer.
struct Customer {
    user_id: u64,
    clients: Clients,
    books: Vec<u64>,
    weather: Arc<Weather>,
    dice: StdRng,
    orders: Vec<Known>,
}

impl Customer {
    async fn shop_until_the_storm_ends(mut self) -> anyhow::Result<Vec<Known>> {
        while !self.weather.is_over.load(Ordering::SeqCst) {
            let Some(placed) = self.create().await? else {
                continue;
            };
            let mut known = Known {
                placed,
                may_be: BTreeSet::from([PENDING]),
                payment_no: None,
            };
            let ended = self.move_on(&mut known).await;
            self.orders.push(known);
            ended?;
        }
        Ok(self.orders)
    }

    /// Makes an order. Under a key it asks again until there is an answer, or gives up; without one it asks once.
    async fn create(&mut self) -> anyhow::Result<Option<Placed>> {
        let first = self.dice.random_range(0..self.books.len());
        let second = self.dice.random_range(0..self.books.len());
        let items = [
            (self.books[first], self.dice.random_range(1..4)),
            (self.books[second], 1),
        ];
        let reply = if self.dice.random_bool(0.5) {
            let key = format!("{}-{}", self.user_id, self.dice.random::<u64>());
            self.insist(order(self.user_id, &items, &key)).await?
        } else {
            self.ask_once(order(self.user_id, &items, "")).await?
        };
        let Some(reply) = reply else {
            return Ok(None);
        };
        ensure!(reply.code == 0, "{reply:?}");
        Ok(Some(Placed {
            no: reply.order_no,
            id: reply.order_id,
            total: reply.total,
        }))
    }

    async fn ask_once<M: Rpc>(&self, request: M) -> anyhow::Result<Option<M::Reply>> {
        match self.clients.call(request).await {
            Ok(reply) => {
                self.weather.answers.fetch_add(1, Ordering::SeqCst);
                Ok(Some(reply))
            }
            Err(status) => {
                ensure!(is_silent(&status), "{}: {status:?}", M::PATH);
                pause(RETRY_AFTER).await;
                Ok(None)
            }
        }
    }

    /// Pays, then ships and completes, or cancels; or stops somewhere on the way.
    async fn move_on(&mut self, known: &mut Known) -> anyhow::Result<()> {
        match self.dice.random_range(0..10) {
            0 => return Ok(()),
            1 => return self.cancel(known).await,
            2 => self.pay_directly(known).await?,
            _ => self.pay(known).await?,
        }
        // Only an order whose state is known for sure goes on.
        if known.may_be != BTreeSet::from([PAID]) {
            return Ok(());
        }
        match self.dice.random_range(0..4) {
            0 => Ok(()),
            1 => self.cancel(known).await,
            _ => self.ship_and_complete(known).await,
        }
    }

    async fn pay(&mut self, known: &mut Known) -> anyhow::Result<()> {
        match self.insist(pay_order(&known.placed.no)).await? {
            None => {
                known.may_be.insert(PAID);
            }
            Some(reply) if reply.code == 0 => {
                known.is(PAID);
                known.payment_no = Some(reply.payment_no);
            }
            // Refused: still PENDING.
            Some(reply) => ensure!(reply.code == 1, "{reply:?}"),
        }
        Ok(())
    }

    /// Pays past the order service; it hears of it by the feed.
    async fn pay_directly(&mut self, known: &mut Known) -> anyhow::Result<()> {
        match self
            .insist(pay(known.placed.id, known.placed.total))
            .await?
        {
            None => {
                known.may_be.insert(PAID);
            }
            Some(reply) if reply.code == 0 => {
                known.payment_no = Some(reply.payment_no);
                let no = known.placed.no.clone();
                known.is(PAID);
                self.until_paid(&no).await?;
            }
            Some(reply) => ensure!(reply.code == 1, "{reply:?}"),
        }
        Ok(())
    }

    async fn until_paid(&self, no: &str) -> anyhow::Result<()> {
        // Asked again and again: the order service may be down for a moment.
        eventually("the feed to bring the payment", || async {
            self.clients
                .order_of(no)
                .await
                .ok()
                .filter(|order| order.status == PAID)
        })
        .await;
        Ok(())
    }

    async fn cancel(&mut self, known: &mut Known) -> anyhow::Result<()> {
        let Some(reply) = self.insist(cancel(&known.placed.no)).await? else {
            known.may_be.insert(CANCELLED);
            return Ok(());
        };
        ensure!(reply.code == 0, "{reply:?}");
        known.is(CANCELLED);
        let refund_no = known.payment_no.as_ref().map(|no| format!("REF{no}"));
        ensure!(
            reply.refund_no == refund_no.unwrap_or_default(),
            "{reply:?}"
        );
        Ok(())
    }

    async fn ship_and_complete(&mut self, known: &mut Known) -> anyhow::Result<()> {
        let order_no = known.placed.no.clone();
        let ship = ShipOrderRequest {
            order_no: order_no.clone(),
        };
        if !self.step(known, ship, SHIPPED).await? || self.dice.random_bool(0.5) {
            return Ok(());
        }
        self.step(known, CompleteOrderRequest { order_no }, COMPLETED)
            .await?;
        Ok(())
    }

    async fn step<M: Rpc>(
        &mut self,
        known: &mut Known,
        request: M,
        to: i32,
    ) -> anyhow::Result<bool> {
        let Some(reply) = self.insist(request).await? else {
            known.may_be.insert(to);
            return Ok(false);
        };
        ensure!(reply.code() == 0, "{reply:?}");
        known.is(to);
        Ok(true)
    }

    /// Repeats a request until it is answered. One in four gives up at the first silence: `None`.
    async fn insist<M: Rpc>(&mut self, request: M) -> anyhow::Result<Option<M::Reply>> {
        let gives_up = self.dice.random_bool(0.25);
        let asked = Instant::now();
        while asked.elapsed() < ANSWER_WITHIN {
            let status = match self.clients.call(request.clone()).await {
                Ok(reply) => {
                    self.weather.answers.fetch_add(1, Ordering::SeqCst);
                    return Ok(Some(reply));
                }
                Err(status) => status,
            };
            ensure!(is_silent(&status), "{}: {status:?}", M::PATH);
            if gives_up {
                return Ok(None);
            }
            pause(RETRY_AFTER).await;
        }
        bail!("not answered for {ANSWER_WITHIN:?}: {request:?}")
    }
}

/// Compares an order and its payment with what the client was told.
async fn verify(clients: &Clients, known: &Known) -> anyhow::Result<()> {
    let order = clients.order_of(&known.placed.no).await?;
    ensure!(known.may_be.contains(&order.status), "{order:?}");
    ensure!(
        (order.id, order.total) == (known.placed.id, known.placed.total),
        "{order:?}"
    );
    let payment = clients.payment_of(known.placed.id).await?;
    let status = payment.as_ref().map(|payment| payment.status);
    match order.status {
        PAID | SHIPPED | COMPLETED => ensure!(status == Some(MONEY_TAKEN), "{payment:?}"),
        CANCELLED => clients.until_no_money_is_held(order.id).await,
        _ => {}
    }
    if let Some(payment_no) = &known.payment_no {
        let payment = payment.context("an acknowledged payment is gone")?;
        ensure!(payment.payment_no == *payment_no, "{payment:?}");
        ensure!(
            [MONEY_TAKEN, MONEY_RETURNED].contains(&payment.status),
            "{payment:?}"
        );
    }
    Ok(())
}

/// The system is dead or dying, or an effect is in doubt; nothing else may be said in a storm.
fn is_silent(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled
    )
}
