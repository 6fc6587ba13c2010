//! `bookstore load`: the load generator, and the check that what it was answered is true.
//!
//! Owns: the scenarios, the buyers, the clock that makes operations due, what is counted, the report.
//! Never does: anything that a stranger's gRPC client could not do. It brings its own books, and no
//! other run touches their stock: so it can say afterwards, to the copy, what must have become of it.
//!
//! Start reading at [`run`]; then `buyer.rs` (what an operation is), `pace.rs` and `tally.rs` (how latency
//! is counted), `verify.rs` (what a wrong answer is).

mod buyer;
mod call;
mod drive;
mod figures;
mod ledger;
mod live;
mod meter;
mod pace;
mod plot;
mod popularity;
mod report;
mod scenario;
mod set_up;
mod shelf;
mod tally;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio_util::sync::CancellationToken;

use buyer::{Buyer, Market};
use drive::{Drive, drive};
use ledger::{Ledger, Note};
use meter::Meter;
use popularity::Popularity;
use set_up::{greet, publish_books, stock_books, take_down};
use shelf::Shelf;
use verify::{Balance, Verdict, read_balances, unread, verify};

pub(crate) use live::Live;
pub(crate) use meter::Watched;
pub(crate) use plot::draw;
pub(crate) use report::Report;
pub(crate) use scenario::Scenario;
pub(crate) use shelf::BOOKS_MAX;

use crate::clients::Clients;

/// The books of a flash sale: the one on sale, and one to warm up on.
const SALE_BOOKS: u32 = 2;
/// How many orders are made to be read.
const READABLE_ORDERS: usize = 1_000;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    /// Operations at the same time, at the most.
    pub(crate) concurrency: usize,
    /// Connections to each service; buyers share them.
    pub(crate) connections: usize,
    /// Operations that fall due each second; `None`: the next when the last is answered.
    pub(crate) rate: Option<NonZeroU32>,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) books: u32,
    /// The exponent of the books' popularity.
    pub(crate) zipf: f64,
    /// Whether orders are asked for under idempotency keys.
    pub(crate) order_keys: bool,
    /// Copies that a flash sale has.
    pub(crate) stock: i32,
    /// How long one call may take.
    pub(crate) call_limit: Duration,
    /// How long compensations may take before the verification calls them a fault.
    pub(crate) settle: Duration,
}

/// The metrics pages and processes to watch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watching {
    pub(crate) processes: Vec<Watched>,
    /// Pages that were asked for: each must be there.
    pub(crate) pages: Vec<String>,
    /// Pages that are read where they are there and none was asked for.
    pub(crate) usual_pages: Vec<String>,
}

/// Runs `plan` over `connections` (one and more), verifies, and reports.
///
/// Once `stop` fires, no further operation is begun; what was done until then is verified and reported.
///
/// # Errors
/// A system that cannot be reached, or on which the run cannot be set up.
pub(crate) async fn run(
    plan: &Plan,
    connections: &[Clients],
    watching: Watching,
    live: &mut Live,
    stop: &CancellationToken,
) -> anyhow::Result<Report> {
    let first = connections.first().context("no connections")?;
    if let Err((service, failure)) = greet(plan.scenario, &mut first.clone()).await {
        bail!("{service} does not answer: {failure}; `bookstore up` starts the system");
    }
    let meter = Meter::new(watching.processes, watching.pages, watching.usual_pages).await?;
    let shelf = shelf_of(plan);
    live.say("putting books and stock in place");
    if plan.scenario.needs_books() {
        publish_books(plan.scenario, shelf, first, plan.call_limit).await?;
    }
    let run = run_on(plan, shelf, connections, &meter, live, stop).await;
    if plan.scenario.needs_books() && !shelf.is_lasting() {
        take_down(shelf, first, plan.call_limit).await;
    }
    live.end();
    run
}

/// Runs on a shelf whose books are in the shop.
async fn run_on(
    plan: &Plan,
    shelf: Shelf,
    connections: &[Clients],
    meter: &Meter,
    live: &mut Live,
    stop: &CancellationToken,
) -> anyhow::Result<Report> {
    let first = connections.first().context("no connections")?;
    let before = if plan.scenario.takes_stock() {
        let sale = (plan.scenario == Scenario::FlashSale).then_some(plan.stock);
        stock_books(shelf, sale, first, plan.call_limit).await?;
        read_balances(shelf, first, plan.call_limit).await?
    } else {
        BTreeMap::new()
    };
    let mut market = Market {
        scenario: plan.scenario,
        shelf,
        popularity: Popularity::zipf(shelf.books(), plan.zipf),
        order_keys: plan.order_keys,
        call_limit: plan.call_limit,
        readable: Vec::new(),
        ledger: Mutex::new(Ledger::default()),
    };
    if plan.scenario.makes_orders() {
        market = make_sure_orders_last(plan, market, first).await?;
    }
    if plan.scenario == Scenario::GetOrder {
        live.say("making orders to read");
        market = with_readable_orders(market, connections).await?;
    }
    let market = Arc::new(market);
    let how = Drive {
        concurrency: plan.concurrency,
        rate: plan.rate,
        warmup: plan.warmup,
        duration: plan.duration,
    };
    let measured = drive(how, &market, connections, meter, live, stop).await?;
    let verified = if plan.scenario.takes_stock() {
        live.say("verifying");
        Some(verify_all(plan, &market, first, &before).await)
    } else {
        None
    };
    Report::new(plan, measured, verified, stop.is_cancelled())
}

async fn verify_all(
    plan: &Plan,
    market: &Market,
    clients: &Clients,
    before: &BTreeMap<u32, Balance>,
) -> anyhow::Result<Verdict> {
    let mut verdict = verify(market, clients, before, plan.settle).await?;
    let books = u64::from(market.shelf.books());
    if verdict.books != books {
        verdict.fault(format!(
            "{books} books were stocked, and {} had a stock record",
            verdict.books
        ));
    }
    Ok(verdict)
}

/// Reads are of books that stay; what takes stock needs books of its own.
fn shelf_of(plan: &Plan) -> Shelf {
    match plan.scenario {
        Scenario::FlashSale => Shelf::new(SALE_BOOKS),
        scenario if scenario.takes_stock() => Shelf::new(plan.books),
        _ => Shelf::lasting(plan.books),
    }
}

/// An order that timed out in the midst of the run would give its copies back, and look like a fault.
async fn make_sure_orders_last(
    plan: &Plan,
    market: Market,
    clients: &Clients,
) -> anyhow::Result<Market> {
    let market = Arc::new(market);
    let mut buyer = Buyer::new(Arc::clone(&market), clients.clone(), usize::MAX);
    let lasts = buyer.probe_timeout().await;
    let lasts = lasts.map_err(|miss| unread("the first order", miss))?;
    drop(buyer);
    let needed = plan.warmup + plan.duration + plan.settle;
    ensure!(
        lasts >= needed,
        "orders wait {} s for their payment, and the run needs {} s until they are verified: raise \
         order.payment_timeout, or shorten --duration or --settle",
        lasts.as_secs(),
        needed.as_secs()
    );
    Arc::into_inner(market).context("a buyer is still there")
}

async fn with_readable_orders(market: Market, connections: &[Clients]) -> anyhow::Result<Market> {
    let market = Arc::new(market);
    let mut buyers = tokio::task::JoinSet::new();
    let share = READABLE_ORDERS.div_ceil(connections.len().max(1));
    for (number, clients) in connections.iter().enumerate() {
        let mut buyer = Buyer::new(
            Arc::clone(&market),
            clients.clone(),
            usize::MAX - 1 - number,
        );
        buyers.spawn(async move {
            let mut made = Vec::with_capacity(share);
            for _ in 0..share {
                made.push(buyer.make_readable().await?);
            }
            Ok(made)
        });
    }
    let mut readable: Vec<Note> = Vec::new();
    while let Some(made) = buyers.join_next().await {
        let made = made.context("a buyer died")?;
        readable.extend(made.map_err(|miss| unread("an order to read", miss))?);
    }
    let mut market = Arc::into_inner(market).context("a buyer is still there")?;
    market.readable = readable;
    Ok(market)
}
