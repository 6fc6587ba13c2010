//! Units of work: whole or not at all, whoever fails, goes away or writes at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use platform::args;
use platform::db::{Database, DbError};
use testkit::proxy::{Cut, Proxy};
use testkit::servers::mysql;
use tokio::sync::watch;

use super::{insert, on_all, open, sum};

#[tokio::test(flavor = "multi_thread")]
async fn an_error_and_a_panic_leave_nothing_behind() {
    on_all(|url| async move {
        let database = open(&url).await;
        let failed: Result<(), _> = database
            .write("fail", |tx| {
                Box::pin(async move {
                    tx.execute("INSERT INTO things (id, amount) VALUES (1, 1)", args![])
                        .await?;
                    Err(DbError::corrupt("on purpose"))
                })
            })
            .await;
        assert_eq!(failed, Err(DbError::corrupt("on purpose")));
        let died: Result<(), _> = database
            .write("die", |tx| {
                Box::pin(async move {
                    tx.execute("INSERT INTO things (id, amount) VALUES (2, 1)", args![])
                        .await?;
                    panic!("on purpose")
                })
            })
            .await;
        assert!(died.is_err());
        insert(&database, 3, 10).await.unwrap();
        assert_eq!(sum(&database).await, 10);
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_never_poisons_the_next_one() {
    on_all(|url| async move {
        let database = open(&url).await;
        // Cancelled at its first await, again and again, at whatever moment that is.
        for id in 0..200 {
            let going = insert(&database, id, 1);
            drop(
                tokio::time::timeout(
                    std::time::Duration::from_micros(50 * (id % 20).unsigned_abs()),
                    going,
                )
                .await,
            );
        }
        let rival = open(&url).await;
        for id in 1000..1020 {
            insert(&database, id, 1000).await.unwrap();
            // Acknowledged means visible to everybody else: no open transaction swallowed it.
            assert!(sum(&rival).await / 1000 >= id - 999);
        }
        database.close().await;
        rival.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_in_doubt_whether_or_not_it_happened() {
    let Some(server) = mysql().await.unwrap() else {
        return;
    };
    for (cut, expected) in [(Cut::Before, 0), (Cut::After, 1)] {
        let proxy = Proxy::to(server.address().parse().unwrap()).await.unwrap();
        let url = server.new_database_setting().await.unwrap();
        let through = url.replace(server.address(), &proxy.address().to_string());
        let database = open(&through.parse().unwrap()).await;
        proxy.cut_at_commit(1, cut);
        let lost = insert(&database, 1, 1).await;
        let in_doubt = matches!(lost, Err(DbError::OutcomeUnknown(_)));
        assert!(in_doubt, "{cut:?}: {lost:?}");
        assert_eq!(sum(&database).await, expected, "{cut:?}");
        database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_on_one_row_lose_no_update() {
    on_all(|url| async move {
        let (one, two) = (open(&url).await, open(&url).await);
        insert(&one, 1, 0).await.unwrap();
        let add = |database: Database| async move {
            database
                .write("add", |tx| {
                    Box::pin(async move {
                        let read =
                            format!("SELECT amount FROM things WHERE id = 1{}", tx.for_update());
                        let amount = tx.query(&read, args![]).await?[0].int(0)?;
                        tx.execute(
                            "UPDATE things SET amount = ? WHERE id = 1",
                            args![amount + 1],
                        )
                        .await
                    })
                })
                .await
        };
        let all = (0..50).flat_map(|_| [add(one.clone()), add(two.clone())]);
        let added = join_all(all).await;
        let succeeded = added.iter().filter(|result| result.is_ok()).count();
        assert_eq!(
            succeeded,
            100,
            "{:?}",
            added.iter().find(|result| result.is_err())
        );
        assert_eq!(sum(&one).await, 100);
        one.close().await;
        two.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_sees_one_moment() {
    on_all(|url| async move {
        let database = open(&url).await;
        insert(&database, 1, 1).await.unwrap();
        let rival = open(&url).await;
        let (wrote, ran) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let writer = {
            let (wrote, ran, rival) = (Arc::clone(&wrote), Arc::clone(&ran), rival.clone());
            async move {
                testkit::eventually("the reader has begun", || async {
                    ran.load(Ordering::SeqCst).then_some(())
                })
                .await;
                insert(&rival, 2, 1).await.unwrap();
                wrote.store(true, Ordering::SeqCst);
            }
        };
        let reader = database.read("twice", move |tx| {
            let (wrote, ran) = (Arc::clone(&wrote), Arc::clone(&ran));
            Box::pin(async move {
                let before = tx.query("SELECT COUNT(*) FROM things", args![]).await?[0].int(0)?;
                ran.store(true, Ordering::SeqCst);
                while !wrote.load(Ordering::SeqCst) {
                    // On SQLite this runs on a thread of its own, where nothing may be awaited.
                    if tokio::runtime::Handle::try_current().is_ok() {
                        tokio::task::yield_now().await;
                    } else {
                        std::thread::yield_now();
                    }
                }
                let after = tx.query("SELECT COUNT(*) FROM things", args![]).await?[0].int(0)?;
                Ok((before, after))
            })
        });
        let (read, ()) = tokio::join!(reader, writer);
        assert_eq!(read.unwrap(), (1, 1));
        assert_eq!(sum(&database).await, 2);
        database.close().await;
        rival.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_readers_holds_up_no_writer() {
    let Some(server) = mysql().await.unwrap() else {
        return;
    };
    let database = open(&server.new_database().await.unwrap()).await;
    let (gate, gated) = watch::channel(false);
    let read = |database: Database, gated: watch::Receiver<bool>| async move {
        database
            .read_once("wait at a gate", move |_| {
                let mut gated = gated.clone();
                Box::pin(async move {
                    gated.wait_for(|open| *open).await.unwrap();
                    Ok(())
                })
            })
            .await
    };
    let reads = join_all((0..40).map(|_| read(database.clone(), gated.clone())));
    let writes = async {
        for id in 1..=20 {
            insert(&database, id, 1).await.unwrap();
        }
        gate.send(true).unwrap();
    };
    let (reads, ()) = futures::join!(reads, writes);
    for read in reads {
        read.unwrap();
    }
    assert_eq!(sum(&database).await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_session_is_told_to_end_when_its_client_goes_silent() {
    let Some(server) = mysql().await.unwrap() else {
        return;
    };
    let database = open(&server.new_database().await.unwrap()).await;
    let patience = database
        .read("patience", |tx| {
            Box::pin(async move { tx.query("SELECT @@wait_timeout", args![]).await?[0].int(0) })
        })
        .await;
    // What a dead replica held passes on within 10 s.
    assert_eq!(patience.unwrap(), 10);
}
