//! The run itself: many buyers, one clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use platform::clock::pause;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::buyer::Buyer;
use super::call::Miss;
use super::live::Live;
use super::market::Market;
use super::meter::{Meter, Usage};
use super::pace::Pace;
use super::scenario::Scenario;
use super::tally::{Tally, Window};
use crate::clients::Clients;

/// How long a buyer waits after a failure: a shop that is down is not shouted at.
const AFTER_FAILURE: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);

/// What was measured.
pub(super) struct Measured {
    pub(super) tally: Tally,
    /// What the measured time cost; `None` where it never began.
    pub(super) usage: Option<Usage>,
}

/// Runs all buyers until the time is over or `stop` fires, and then until their last answers are in.
pub(super) async fn drive(
    market: &Arc<Market>,
    connections: &[Clients],
    meter: &Meter,
    live: &mut Live,
    stop: &CancellationToken,
) -> anyhow::Result<Measured> {
    let plan = &market.plan;
    let start = Instant::now();
    let open = start + plan.warmup;
    let window = Window {
        open,
        close: open + plan.duration,
        is_sale: plan.scenario == Scenario::FlashSale,
    };
    let tally = Arc::new(Mutex::new(Tally::new(window)?));
    let pace = Arc::new(Pace::new(plan.rate, start));
    pace.set_alarm().context("no thread for the clock")?;
    if stop.is_cancelled() {
        // Before the first operation: there is none.
        pace.close();
    }
    let mut buyers = JoinSet::new();
    for (number, clients) in (0..usize::from(plan.concurrency)).zip(connections.iter().cycle()) {
        let buyer = Buyer::new(Arc::clone(market), clients.clone(), number);
        buyers.spawn(keep_buying(
            buyer,
            Arc::clone(&pace),
            Arc::clone(&tally),
            open,
        ));
    }
    let usage = watch(window, start, &tally, meter, live, stop).await;
    let end = Instant::now();
    lock(&tally).close(end);
    pace.close();
    while let Some(ended) = buyers.join_next().await {
        ended.context("a buyer died")?;
    }
    let tally = Arc::into_inner(tally).context("a buyer is still there")?;
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    for due in pace.left_over(tally.window.close) {
        tally.note_left_over(due);
    }
    Ok(Measured { tally, usage })
}

async fn keep_buying(mut buyer: Buyer, pace: Arc<Pace>, tally: Arc<Mutex<Tally>>, open: Instant) {
    while let Some(due) = pace.next().await {
        let (operation, outcome) = buyer.act(due >= open).await;
        lock(&tally).note(operation, due, Instant::now(), outcome);
        if matches!(outcome, Err(Miss::Failed(_))) {
            pause(AFTER_FAILURE).await;
        }
    }
}

/// Cuts the seconds and reads the meter where the window opens and closes.
async fn watch(
    window: Window,
    start: Instant,
    tally: &Mutex<Tally>,
    meter: &Meter,
    live: &mut Live,
    stop: &CancellationToken,
) -> Option<Usage> {
    let mut before = None;
    let mut next = start;
    if next == window.open {
        before = Some(meter.read().await);
    }
    while next < window.close {
        // Cuts fall on whole seconds from the opening of the window on, and on its ends.
        let last = if next < window.open {
            window.open
        } else {
            window.close
        };
        next = last.min(next + SECOND);
        let wait = next.saturating_duration_since(Instant::now());
        if stop.run_until_cancelled(pause(wait)).await.is_none() {
            break;
        }
        let second = lock(tally).end_second(next);
        let measured = next.checked_duration_since(window.open);
        live.second(second, measured.filter(|time| !time.is_zero()));
        if next == window.open {
            before = Some(meter.read().await);
        }
    }
    let before = before?;
    Some(meter.read().await.since(&before))
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    // Counts: were a holder to die, they would still be whole.
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
