//! When a unit of work passes its turn on: once nobody could overtake it, and only then.

use platform::args;
use platform::db::{Database, DbError, Matches};
use platform::tasks::Tasks;
use platform::turn::Turn;
use testkit::servers::mysql;
use tokio::sync::watch;

use super::{insert, on_all, open, sum};

/// Adds 1 to the thing, in the turn.
async fn add(database: &Database, id: i64, turn: &Turn) -> Result<(), DbError> {
    let sql = "UPDATE things SET amount = amount + 1 WHERE id = ?";
    database
        .write_keyed("add", turn, move |tx| {
            let each = vec![args![id]];
            Box::pin(async move { tx.execute_each(sql, each, Matches::OneEach("things")).await })
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_passed_on_when_what_was_written_is_locked() {
    let Some(server) = mysql().await.unwrap() else {
        return;
    };
    let database = open(&server.new_database().await.unwrap()).await;
    insert(&database, 1, 0).await.unwrap();
    let (gate, gated) = watch::channel(false);
    let (locked, mut is_locked) = watch::channel(false);
    let holds = database.write("hold the row", move |tx| {
        let (mut gated, locked) = (gated.clone(), locked.clone());
        Box::pin(async move {
            tx.execute("UPDATE things SET amount = 5 WHERE id = 1", args![])
                .await?;
            locked.send_replace(true);
            gated.wait_for(|open| *open).await.unwrap();
            Ok(())
        })
    });
    let turn = Turn::default();
    let waits = async {
        is_locked.wait_for(|locked| *locked).await.unwrap();
        let adding = add(&database, 1, &turn);
        let opening = async {
            let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() \
                AND id <> CONNECTION_ID() AND info LIKE '%amount + 1%'";
            loop {
                let rows = database.read_once("look", move |tx| {
                    Box::pin(async move { tx.query(waiting, args![]).await })
                });
                if rows.await.unwrap()[0].int(0).unwrap() > 0 {
                    break;
                }
            }
            assert!(!turn.is_passed(), "its row is another's still");
            gate.send_replace(true);
            turn.passed().await;
        };
        let (added, ()) = futures::join!(adding, opening);
        added
    };
    let (held, added) = futures::join!(holds, waits);
    held.unwrap();
    added.unwrap();
    assert_eq!(sum(&database).await, 6);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_its_commit_passes_nothing_on() {
    on_all(|url| async move {
        let database = open(&url).await;
        let turn = Turn::default();
        let missing = add(&database, 1, &turn).await;
        assert!(missing.is_err(), "{missing:?}");
        assert!(!turn.is_passed());
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_go_in_turn_lose_no_update() {
    on_all(|url| async move {
        let database = open(&url).await;
        insert(&database, 1, 0).await.unwrap();
        let mut commits = Vec::new();
        for _ in 0..50 {
            let turn = Turn::default();
            let (one, its) = (database.clone(), turn.clone());
            commits.push(Tasks::new().run("add", async move {
                let added = add(&one, 1, &its).await;
                its.pass();
                added
            }));
            turn.passed().await;
        }
        for commit in commits {
            commit.await.unwrap().unwrap();
        }
        assert_eq!(sum(&database).await, 50);
        database.close().await;
    })
    .await;
}
