//! Proves what callers hear when the store fails: UNAVAILABLE or INTERNAL by what is known of the
//! effect, `RetryInfo` exactly where a repeat is safe, and nothing of the inside.

use std::sync::Arc;

use async_trait::async_trait;
use inventory::audit::Audit;
use inventory::domain::{Decision, Op, Refusal, Stock};
use inventory::store::{LedgerSums, Store, Sums};
use platform::clock::SystemClock;
use platform::combiner::Batch;
use platform::db::DbError;
use platform::server::ServiceDeps;
use testkit::TestServer;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use types::{BookId, Locale};

use api::inventory::v1 as wire;

use crate::harness::{
    Client, batch_of, batch_release_of, commit_of, deduct_of, release_of, restock_of,
};
use crate::stories::book;

/// A store that answers the same to everything.
struct BrokenStore {
    writes: Result<Decision, DbError>,
    reads: DbError,
}

#[async_trait]
impl Store for BrokenStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Decision>, DbError> {
        let decision = self.writes.clone()?;
        Ok(vec![decision; batch.len()])
    }

    async fn read_stocks(&self, _books: &[BookId]) -> Result<Vec<Stock>, DbError> {
        Err(self.reads.clone())
    }

    async fn read_sums(&self, _known: LedgerSums, _settled_to: i64) -> Result<Sums, DbError> {
        Err(self.reads.clone())
    }

    async fn read_audit(&self) -> Result<Audit, DbError> {
        Err(self.reads.clone())
    }

    async fn close(&self) {}
}

async fn serve(writes: Result<Decision, DbError>, reads: DbError) -> (TestServer, Client) {
    let deps = ServiceDeps {
        clock: Arc::new(SystemClock),
        locale: Locale::Zh,
        migrate: true,
    };
    let store = Arc::new(BrokenStore { writes, reads });
    let running = inventory::start_with_store(store, deps).await;
    let server = testkit::serve(running).await.unwrap();
    let client = Client::new(server.channel.clone());
    (server, client)
}

fn unavailable() -> DbError {
    DbError::Unavailable("secret path".to_owned())
}

fn may_be_repeated(status: &Status) -> bool {
    status.get_error_details().retry_info().is_some()
}

/// Every change: whether it has a key or needs none, and how it failed.
async fn fail_all_changes(client: &Client) -> Vec<(bool, Status)> {
    macro_rules! failed {
        ($safe:literal, $method:ident, $request:expr) => {
            ($safe, client.clone().$method($request).await.unwrap_err())
        };
    }
    vec![
        failed!(false, restock_inventory, restock_of(1, 1, "")),
        failed!(true, restock_inventory, restock_of(1, 1, "k")),
        failed!(true, deduct_stock, deduct_of(1, 1, 1, "k")),
        failed!(false, release_stock, release_of(1, 1, 1, "")),
        failed!(true, release_stock, release_of(1, 1, 1, "k")),
        failed!(true, batch_deduct_stock, batch_of(&[(1, 1)], 1, "k")),
        failed!(true, batch_release_stock, batch_release_of("k")),
        failed!(true, commit_stock, commit_of("k")),
    ]
}

#[tokio::test]
async fn an_unknown_outcome_invites_to_repeat_only_where_that_is_safe() {
    let lost = DbError::OutcomeUnknown("secret host".to_owned());
    let (_server, client) = serve(Err(lost), unavailable()).await;
    for (safe, status) in fail_all_changes(&client).await {
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(may_be_repeated(&status), safe, "{status}");
        assert!(!status.message().contains("secret"), "{status}");
    }
}

#[tokio::test]
async fn where_one_of_many_has_no_answer_nobody_says_that_nothing_happened() {
    let (_server, mut client) = serve(Err(unavailable()), unavailable()).await;
    let batch = |key: &str| batch_of(&[(1, 1)], 1, key).into();
    let batches = wire::DeductBatchesRequest {
        batches: vec![batch("a"), batch("b")],
    };
    let status = client.deduct_batches(batches).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(may_be_repeated(&status), "{status}");
    assert!(status.message().contains("not known"), "{status}");
}

#[tokio::test]
async fn a_store_out_of_reach_did_nothing_so_that_everything_may_be_repeated() {
    let (_server, mut client) = serve(Err(unavailable()), unavailable()).await;
    let mut failed: Vec<Status> = fail_all_changes(&client)
        .await
        .into_iter()
        .map(|(_, status)| status)
        .collect();
    let get = wire::GetStockRequest { book_id: 1 };
    failed.push(client.get_stock(get).await.unwrap_err());
    let batch_get = wire::BatchGetStockRequest { book_ids: vec![1] };
    failed.push(client.batch_get_stock(batch_get).await.unwrap_err());
    for status in failed {
        assert_eq!(status.code(), Code::Unavailable);
        assert!(may_be_repeated(&status), "{status}");
        assert!(!status.message().contains("secret"), "{status}");
    }
}

#[tokio::test]
async fn what_is_our_fault_is_internal_and_tells_nothing() {
    let corrupt = Err(DbError::Corrupt("secret row".to_owned()));
    let inconsistent = Ok(Err(Refusal::Inconsistent { book: book(1) }));
    for writes in [corrupt, inconsistent] {
        let (_server, client) = serve(writes, unavailable()).await;
        for (_, status) in fail_all_changes(&client).await {
            assert_eq!(status.code(), Code::Internal);
            assert!(status.message().starts_with("internal error "), "{status}");
            assert!(!status.message().contains("secret"), "{status}");
        }
    }
}
