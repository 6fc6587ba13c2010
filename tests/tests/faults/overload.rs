//! Far more callers than a service takes: those that are too many are refused at once, may ask
//! again, and nothing that was acknowledged is lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{bail, ensure};
use api::Rpc;
use api::inventory::v1::{DeductStockRequest, GetStockRequest};
use bookstore_e2e::{Clients, Layout, Shop};
use futures::future::{join_all, try_join};
use rusqlite::Connection;
use testkit::eventually;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::LONG;

/// How many connections callers have; a server takes about a thousand calls at once on each.
const CONNECTIONS: usize = 10;
const CALLS_EACH: usize = 900;
/// How many calls a service works on at once.
const TAKEN_MAX: usize = 4096;

/// What became of the calls.
#[derive(Default)]
struct Tally {
    done: AtomicUsize,
    refused: AtomicUsize,
    in_doubt: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_are_too_many_are_refused_at_once_and_nothing_is_lost() -> anyhow::Result<()> {
    let plan = Shop::plan().set("TELEMETRY__LOG", "error");
    let shop = plan.start(Layout::Apart).await?;
    let book_id = shop.clients()?.stocked(100, 1_000_000).await?;
    let tally = Tally::default();
    // While somebody else has the write lock nothing is finished, and calls pile up.
    let rival = Connection::open(shop.data().join("inventory.db"))?;
    rival.execute_batch("BEGIN IMMEDIATE")?;
    let crowds = (0..CONNECTIONS).map(async |crowd| {
        let clients = shop.clients()?;
        let calls = (0..CALLS_EACH).map(|number| {
            let key = format!("{crowd}-{number}");
            deduct(&clients, book_id, key, &tally)
        });
        join_all(calls).await.into_iter().collect()
    });
    let calling = async {
        let ended: Vec<anyhow::Result<()>> = join_all(crowds).await;
        ended.into_iter().collect::<anyhow::Result<()>>()
    };
    let releasing = async {
        let surplus = CONNECTIONS * CALLS_EACH - TAKEN_MAX;
        eventually("the surplus is refused while nothing moves", || async {
            (tally.refused.load(Ordering::SeqCst) >= surplus).then_some(())
        })
        .await;
        // Who refuses calls is well all the same, and says so.
        let asked = HealthCheckRequest::default();
        let mut health = HealthClient::new(shop.clients()?.channel_of(DeductStockRequest::PATH));
        let said = health.check(asked).await?.into_inner().status();
        ensure!(said == ServingStatus::Serving, "{said:?}");
        rival.execute_batch("ROLLBACK")?;
        anyhow::Ok(())
    };
    try_join(calling, releasing).await?;

    let clients = shop.clients()?;
    let (_, reserved) = clients.stock_of(book_id).await?;
    let reserved = usize::try_from(reserved)?;
    let done = tally.done.load(Ordering::SeqCst);
    let in_doubt = tally.in_doubt.load(Ordering::SeqCst);
    ensure!(
        (done..=done + in_doubt).contains(&reserved),
        "{reserved} copies taken by {done} calls and {in_doubt} in doubt"
    );
    // It serves on as if nothing had been.
    deduct(&clients, book_id, "after".to_owned(), &tally).await?;
    ensure!(tally.done.load(Ordering::SeqCst) == done + 1);
    clients.done(GetStockRequest { book_id }).await?;
    shop.expect_clean().await
}

async fn deduct(
    clients: &Clients,
    book_id: u64,
    idempotency_key: String,
    tally: &Tally,
) -> anyhow::Result<()> {
    let mut request = Request::new(DeductStockRequest {
        book_id,
        quantity: 1,
        reference_id: 1 << 40,
        idempotency_key,
    });
    request.set_timeout(LONG * 2);
    let count = match clients.send(request).await {
        Ok(reply) if reply.code == 0 => &tally.done,
        Ok(reply) => bail!("{reply:?}"),
        Err(status) if status.code() == Code::Unavailable => {
            let details = status.get_error_details();
            ensure!(details.retry_info().is_some(), "{status:?}");
            &tally.refused
        }
        Err(status) if status.code() == Code::DeadlineExceeded => &tally.in_doubt,
        Err(status) => bail!("{status:?}"),
    };
    count.fetch_add(1, Ordering::SeqCst);
    Ok(())
}
