//! Proves that replicas on one database are one shop: what another one did counts, no copy is sold twice, nothing is
//! lost, and what a replica remembers proves nothing.

use std::sync::Arc;

use futures::future::join_all;
use inventory::domain::{Answer, Op, Refusal};
use inventory::store::Store;
use inventory::store::sql::SqlStore;
use platform::args;
use testkit::TestDatabase;
use types::UnixMillis;

use crate::store::{apply, open, stock_of};
use crate::stories::{book, deduct, ops, restock};

#[tokio::test]
async fn what_another_replica_did_counts_on_sqlite() {
    do_in_turn_at_two_replicas(&TestDatabase::sqlite().unwrap()).await;
}

#[tokio::test]
async fn what_another_replica_did_counts_on_mysql() {
    if let Some(home) = TestDatabase::mysql().await.unwrap() {
        do_in_turn_at_two_replicas(&home).await;
    }
}

/// Each replica has written the balance, and may remember what it was.
async fn do_in_turn_at_two_replicas(home: &TestDatabase) {
    let (here, there) = (
        SqlStore::new(open(home).await),
        SqlStore::new(open(home).await),
    );
    let sell = async |store: &SqlStore, copies, key: &str| {
        apply(store, ops(vec![deduct(1, copies, 7, key)]))
            .await
            .remove(0)
    };
    let short = |remaining| {
        Err(Refusal::Insufficient {
            book: book(1),
            remaining,
        })
    };
    apply(&here, ops(vec![restock(1, 10, "")])).await;
    assert_eq!(sell(&here, 1, "a").await, Ok(Answer::Quantity(9)));
    assert_eq!(sell(&there, 2, "b").await, Ok(Answer::Quantity(7)));
    // What is remembered here is too much, and what is remembered there is not enough.
    assert_eq!(sell(&here, 8, "c").await, short(7));
    assert_eq!(sell(&here, 3, "d").await, Ok(Answer::Quantity(4)));
    apply(&here, ops(vec![restock(1, 5, "")])).await;
    assert_eq!(sell(&there, 9, "e").await, Ok(Answer::Quantity(0)));
    assert_eq!(sell(&here, 1, "f").await, short(0));
    // A key that was used elsewhere is used, also where its repeat could be refused.
    assert_eq!(sell(&here, 2, "b").await, Ok(Answer::Quantity(7)));
    apply(&there, ops(vec![restock(1, 5, "")])).await;
    assert_eq!(sell(&there, 3, "d").await, Ok(Answer::Quantity(4)));
    assert_eq!(stock_of(&here, 1).await, (5, 15, 7));
    assert_eq!(here.read_audit().await.unwrap().problems, []);
    here.close().await;
    there.close().await;
}

#[tokio::test]
async fn a_version_that_was_given_twice_is_no_proof_on_sqlite() {
    sell_by_a_version_that_was_given_twice(&TestDatabase::sqlite().unwrap()).await;
}

#[tokio::test]
async fn a_version_that_was_given_twice_is_no_proof_on_mysql() {
    if let Some(home) = TestDatabase::mysql().await.unwrap() {
        sell_by_a_version_that_was_given_twice(&home).await;
    }
}

/// A batch went by what another one wrote, which was rolled back; then another replica wrote the same version: what
/// this one remembers is a balance that never was, under a version that is.
async fn sell_by_a_version_that_was_given_twice(home: &TestDatabase) {
    let database = open(home).await;
    let store = SqlStore::new(database.clone());
    apply(&store, ops(vec![restock(1, 10, "")])).await;
    apply(&store, ops(vec![deduct(1, 1, 7, "a")])).await;
    database
        .write("another replica's", |tx| {
            Box::pin(async move {
                let sql = "UPDATE inventories SET quantity = 5, reserved = 5 WHERE version = 2";
                tx.execute(sql, args![]).await
            })
        })
        .await
        .unwrap();
    let sold = apply(&store, ops(vec![deduct(1, 2, 7, "b")])).await;
    assert_eq!(sold, [Ok(Answer::Quantity(3))]);
    assert_eq!(stock_of(&store, 1).await, (3, 7, 3));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_one_database_sell_each_copy_once() {
    sell_at_two_replicas(&TestDatabase::new().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_mysql_sell_each_copy_once() {
    if let Some(home) = TestDatabase::mysql().await.unwrap() {
        sell_at_two_replicas(&home).await;
    }
}

async fn sell_at_two_replicas(home: &TestDatabase) {
    let replicas = [
        Arc::new(SqlStore::new(open(home).await)),
        Arc::new(SqlStore::new(open(home).await)),
    ];
    apply(&*replicas[0], ops(vec![restock(1, 30, "")])).await;
    // Each key is used by both replicas at once: 50 requests, each sent twice.
    let twins = (0..50).flat_map(|n| replicas.iter().map(move |replica| (n, Arc::clone(replica))));
    let calls = twins.map(|(n, replica)| {
        tokio::task::spawn(async move {
            let op = Op {
                at: UnixMillis::new(1),
                command: deduct(1, 1, n, &format!("k-{n}")),
            };
            (n, apply(&*replica, vec![op]).await.remove(0))
        })
    });
    let answers = join_all(calls).await;
    let mut sold: Vec<u64> = answers
        .into_iter()
        .map(Result::unwrap)
        .filter_map(|(n, decision)| decision.is_ok().then_some(n))
        .collect();
    sold.sort_unstable();
    sold.dedup();
    assert_eq!(sold.len(), 30);
    assert_eq!(stock_of(&*replicas[1], 1).await, (0, 30, 31));
    assert_eq!(replicas[1].read_audit().await.unwrap().problems, []);
    for replica in &replicas {
        replica.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_one_database_lose_no_restock() {
    restock_at_two_replicas(&TestDatabase::new().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_mysql_lose_no_restock() {
    if let Some(home) = TestDatabase::mysql().await.unwrap() {
        restock_at_two_replicas(&home).await;
    }
}

/// A restock is never decided by memory: each reads the balance, and waits for whoever is writing it.
async fn restock_at_two_replicas(home: &TestDatabase) {
    let replicas = [
        Arc::new(SqlStore::new(open(home).await)),
        Arc::new(SqlStore::new(open(home).await)),
    ];
    apply(&*replicas[0], ops(vec![restock(1, 1, "")])).await;
    let calls = (0..100).map(|n| {
        let replica = Arc::clone(&replicas[n % 2]);
        tokio::task::spawn(async move { apply(&*replica, ops(vec![restock(1, 1, "")])).await })
    });
    for answered in join_all(calls).await {
        assert!(answered.unwrap()[0].is_ok());
    }
    assert_eq!(stock_of(&*replicas[0], 1).await, (101, 0, 101));
    assert_eq!(replicas[1].read_audit().await.unwrap().problems, []);
    for replica in &replicas {
        replica.close().await;
    }
}
