//! Proves: whatever breaks beneath the program or between its parts, nothing is lost, done twice or
//! left half done, callers hear nothing worse than that the outcome is not known, and all goes on by
//! itself when it is over. Databases are cut off at their commits, killed, frozen, locked by others
//! and full; networks delay, swallow and break; callers are twice too many.
//!
//! Real processes, in a storm of orders (of deductions where callers are too many); at its end every
//! order is compared with what its customer was told, and the auditor must find nothing. Where a
//! server is not installed, or a disk cannot be made, a test is left out with a clear line.

mod mysql;
mod network;
mod overload;
mod sqlite;

use std::time::Duration;

use api::Rpc;
use bookstore_e2e::storm::{Manner, Storm};
use bookstore_e2e::{Clients, Shop};
use futures::future::try_join;
use testkit::eventually;
use tonic::{Code, Request};

/// Longer than any unit of work may take at a database that does not answer.
const LONG: Duration = Duration::from_secs(15);

/// Breaks something in a storm, which must get through before and after; then nothing is wrong.
async fn storm_while(
    shop: &Shop,
    break_it: impl AsyncFnOnce(&Storm) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let storm = Storm::gather_at([clients.clone(), clients], Manner::Insistent).await?;
    let breaking = async {
        storm.more_orders().await;
        break_it(&storm).await?;
        storm.more_orders().await;
        storm.end();
        anyhow::Ok(())
    };
    let (kept, ()) = try_join(storm.rage(), breaking).await?;
    storm.expect_kept(&kept).await?;
    shop.expect_clean().await
}

/// Asks again and again until a call fails for want of the database.
async fn until_refused<M: Rpc>(clients: &Clients, ask: impl Fn(u32) -> M) {
    let mut asked = 0;
    eventually("a call that fails", || {
        asked += 1;
        let mut request = Request::new(ask(asked));
        request.set_timeout(LONG);
        let call = clients.send(request);
        async move {
            let status = call.await.err()?;
            let codes = [Code::Unavailable, Code::DeadlineExceeded];
            codes.contains(&status.code()).then_some(())
        }
    })
    .await;
}
