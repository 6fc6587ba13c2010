//! Puts the whole system under strain and says how it bears it. Figures are for people: nothing is
//! asserted but that all is well in the end.
//!
//! - `strain overload`: orders a second with ever more callers at once, up to ten times those that
//!   did best, and with those again, as the shop has grown by then; each line is a share of the best one
//!   so far.
//! - `strain soak MINUTES`: a steady load, and the memory of the process over time.
//! - `strain echo`: `GetBook` beside a bare server that answers such a book and does nothing else.
//!
//! `just overload`, `just soak` and `just echo` run it against a release build.

#![expect(clippy::print_stdout, reason = "this is a command")]

mod bare;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bookstore_e2e::goods::{order, pay_order};
use bookstore_e2e::{Clients, Layout, Shop};
use futures::future::{join, join_all};
use platform::clock::pause;
use tonic::{Code, Request};
use tonic_types::StatusExt;

/// How many callers share a connection; a server takes about a thousand calls at once on each.
const CALLERS_A_CONNECTION: u64 = 500;
/// How long each number of callers is tried, and what of that is not counted.
const ROUND: Duration = Duration::from_secs(8);
const WARM_UP: Duration = Duration::from_secs(2);
/// How long callers wait whom nobody told how long.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How many callers a steady load has, and how often the memory is looked at.
const STEADY_CALLERS: u64 = 32;
const LOOK_EVERY: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["overload"] => overload().await,
        ["soak", minutes] => soak(minutes.parse().context("MINUTES is a number")?).await,
        ["echo"] => bare::compare().await,
        ["bare"] => bare::serve().await,
        _ => bail!("strain overload, strain soak MINUTES, or strain echo"),
    }
}

/// What became of the calls of a round.
#[derive(Default)]
struct Tally {
    counts: AtomicBool,
    is_over: AtomicBool,
    done: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
    /// The longest that a refusal took, in milliseconds.
    refused_ms_max: AtomicU64,
}

async fn overload() -> anyhow::Result<()> {
    let shop = open().await?;
    let book_id = shop.clients()?.stocked(100, 2_000_000_000).await?;
    println!("callers   orders/s   of the best   refused/s   late/s   slowest refusal");
    let (mut best, mut best_callers) = (0, 64);
    for callers in [16, 64, 256, 1024] {
        let done = round(&shop, book_id, callers, &mut best).await?;
        if done == best {
            best_callers = callers;
        }
    }
    for callers in [best_callers * 10, best_callers] {
        round(&shop, book_id, callers, &mut best).await?;
    }
    shop.expect_clean().await?;
    println!("the auditor finds nothing wrong");
    Ok(())
}

/// Lets callers order for a while; answers how many orders were made.
async fn round(shop: &Shop, book_id: u64, callers: u64, best: &mut u64) -> anyhow::Result<u64> {
    let tally = Tally::default();
    let mut crowd = Vec::new();
    let mut clients = shop.clients()?;
    for caller in 0..callers {
        if caller.is_multiple_of(CALLERS_A_CONNECTION) {
            clients = shop.clients()?;
        }
        crowd.push(order_on(clients.clone(), book_id, caller, &tally));
    }
    let timing = async {
        pause(WARM_UP).await;
        tally.counts.store(true, Ordering::SeqCst);
        pause(ROUND).await;
        tally.counts.store(false, Ordering::SeqCst);
        tally.is_over.store(true, Ordering::SeqCst);
    };
    let (ended, ()) = join(join_all(crowd), timing).await;
    ended.into_iter().collect::<anyhow::Result<()>>()?;
    let [done, refused, late] =
        [&tally.done, &tally.refused, &tally.late].map(|count| count.load(Ordering::SeqCst));
    *best = done.max(*best);
    let seconds = ROUND.as_secs();
    println!(
        "{callers:>7} {:>10} {:>11} % {:>11} {:>8} {:>12} ms",
        done / seconds,
        done * 100 / (*best).max(1),
        refused / seconds,
        late / seconds,
        tally.refused_ms_max.load(Ordering::SeqCst),
    );
    Ok(done)
}

/// Orders again and again, and comes back when told to.
async fn order_on(
    clients: Clients,
    book_id: u64,
    caller: u64,
    tally: &Tally,
) -> anyhow::Result<()> {
    while !tally.is_over.load(Ordering::SeqCst) {
        let asked = Instant::now();
        let mut request = Request::new(order(caller + 1, &[(book_id, 1)], ""));
        request.set_timeout(Duration::from_secs(5));
        let answer = clients.send(request).await;
        let count = match &answer {
            Ok(reply) => {
                ensure!(reply.code == 0, "{reply:?}");
                &tally.done
            }
            Err(status) => match status.code() {
                Code::Unavailable | Code::ResourceExhausted => {
                    let took = u64::try_from(asked.elapsed().as_millis())?;
                    tally.refused_ms_max.fetch_max(took, Ordering::SeqCst);
                    &tally.refused
                }
                Code::DeadlineExceeded | Code::Cancelled => &tally.late,
                _ => bail!("{status:?}"),
            },
        };
        if tally.counts.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        if let Err(status) = answer {
            let told = status.get_details_retry_info();
            let told = told.and_then(|info| info.retry_delay);
            pause(told.unwrap_or(RETRY_AFTER)).await;
        }
    }
    Ok(())
}

async fn soak(minutes: u64) -> anyhow::Result<()> {
    let shop = open().await?;
    let clients = shop.clients()?;
    let book_id = clients.stocked(100, 2_000_000_000).await?;
    let (is_over, orders) = (AtomicBool::new(false), AtomicU64::new(0));
    let buyers = (0..STEADY_CALLERS).map(async |buyer| {
        while !is_over.load(Ordering::SeqCst) {
            let placed = clients.place(buyer + 1, &[(book_id, 1)]).await?;
            clients.done(pay_order(&placed.no)).await?;
            if buyer.is_multiple_of(2) {
                clients.cancel(&placed.no).await?;
            }
            orders.fetch_add(1, Ordering::SeqCst);
        }
        anyhow::Ok(())
    });
    let watching = async {
        let (started, limit) = (Instant::now(), Duration::from_mins(minutes));
        println!("seconds   orders   resident KiB");
        while started.elapsed() < limit {
            pause(LOOK_EVERY.min(limit)).await;
            let made = orders.load(Ordering::SeqCst);
            let resident: u64 = shop.resident_kib()?;
            println!(
                "{:>7} {made:>8} {resident:>14}",
                started.elapsed().as_secs()
            );
        }
        is_over.store(true, Ordering::SeqCst);
        anyhow::Ok(())
    };
    let (ended, watched) = join(join_all(buyers), watching).await;
    watched?;
    ended.into_iter().collect::<anyhow::Result<()>>()?;
    shop.expect_clean().await?;
    println!("the auditor finds nothing wrong");
    Ok(())
}

/// A system in one process on SQLite, whose gateway refuses nobody.
async fn open() -> anyhow::Result<Shop> {
    Shop::plan()
        .set("PAYMENT__MOCK__SUCCESS_RATE", "1")
        .set("TELEMETRY__LOG", "error")
        .start(Layout::Together)
        .await
}
