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
mod market;
mod meter;
mod pace;
mod plan;
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
use std::sync::Arc;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use buyer::Buyer;
use drive::drive;
use market::Market;
use meter::Meter;
use scenario::Scenario;
use set_up::{put_in_place, take_down};
use verify::{Balance, unread, verify};

pub(crate) use live::Live;
pub(crate) use meter::{Watched, Watching};
pub(crate) use plan::Plan;
pub(crate) use plot::draw;
pub(crate) use report::Report;

use crate::clients::Clients;

/// How many orders are made to be read.
const READABLE_ORDERS: usize = 1_000;

/// Runs `plan` over `connections` (one and more), verifies, and reports.
///
/// Once `stop` fires, no further operation is begun; what was done until then is verified and reported.
///
/// # Errors
/// A system on which the run cannot be set up.
pub(crate) async fn run(
    plan: Plan,
    connections: &[Clients],
    watching: Watching,
    live: &mut Live,
    stop: &CancellationToken,
) -> anyhow::Result<Report> {
    let first = connections.first().context("no connections")?;
    let meter = Meter::new(watching).await?;
    let market = Arc::new(Market::new(plan)?);
    live.say("putting books and stock in place");
    let mut published = 0;
    let placing = put_in_place(&market, first, &mut published);
    let placed = stop.run_until_cancelled(placing).await.transpose();
    let ended = match placed {
        Ok(before) => run_on(&market, before, connections, &meter, live, stop).await,
        Err(error) => Err(error),
    };
    take_down(&market, first, published).await;
    live.end();
    ended
}

/// Runs on a market that began with the balances of `before`; without them, its books are not in place.
async fn run_on(
    market: &Arc<Market>,
    before: Option<BTreeMap<u32, Balance>>,
    connections: &[Clients],
    meter: &Meter,
    live: &mut Live,
    stop: &CancellationToken,
) -> anyhow::Result<Report> {
    let first = connections.first().context("no connections")?;
    let scenario = market.plan.scenario;
    if before.is_some() && scenario.makes_orders() {
        make_sure_orders_last(market, first).await?;
    }
    if before.is_some() && scenario == Scenario::GetOrder {
        live.say("making orders to read");
        make_readable_orders(market, connections, stop).await?;
    }
    let measured = drive(market, connections, meter, live, stop).await?;
    let verified = match before.filter(|_| scenario.takes_stock()) {
        Some(before) => {
            live.say("verifying");
            Some(verify(market, first, &before).await)
        }
        None => None,
    };
    Report::new(&market.plan, measured, verified, stop.is_cancelled())
}

/// An order that timed out in the midst of the run would give its copies back, and look like a fault.
async fn make_sure_orders_last(market: &Arc<Market>, clients: &Clients) -> anyhow::Result<()> {
    let mut buyer = Buyer::new(Arc::clone(market), clients.clone(), usize::MAX);
    let lasts = buyer.probe_timeout().await;
    let lasts = lasts.map_err(|miss| unread("the first order", miss))?;
    let plan = &market.plan;
    let needed = plan.warmup + plan.duration + plan.settle();
    ensure!(
        lasts >= needed,
        "orders wait {} s for their payment, and the run needs {} s until they are verified: raise \
         order.payment_timeout, or shorten --duration or --settle",
        lasts.as_secs(),
        needed.as_secs()
    );
    Ok(())
}

/// Makes the orders that the run reads, until `stop` fires.
async fn make_readable_orders(
    market: &Arc<Market>,
    connections: &[Clients],
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let share = READABLE_ORDERS.div_ceil(connections.len().max(1));
    let buyers = connections.iter().enumerate().map(|(number, clients)| {
        let number = usize::MAX - 1 - number;
        let mut buyer = Buyer::new(Arc::clone(market), clients.clone(), number);
        async move {
            let mut made = Vec::with_capacity(share);
            while made.len() < share && !stop.is_cancelled() {
                made.push(buyer.make_readable().await?);
            }
            Ok(made)
        }
    });
    let made = try_join_all(buyers).await;
    let made = made.map_err(|miss| unread("an order to read", miss))?;
    market.readable.get_or_init(|| made.concat());
    Ok(())
}
