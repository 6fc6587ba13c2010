//! What one crowd of readers may take from everybody else, and for how long MariaDB is told to let a
//! statement run.

use futures::future::join_all;
use platform::args;
use platform::db::{Database, DbError, Row};
use testkit::servers::MysqlServer;
use tokio_util::sync::CancellationToken;

use super::open;

const SELECT_ONE: &str = "SELECT id FROM things";

/// A private server and a database on it.
async fn private() -> Option<(MysqlServer, Database)> {
    let server = MysqlServer::start().await.unwrap()?;
    let database = open(&server.new_database().await.unwrap()).await;
    Some((server, database))
}

#[tokio::test]
async fn lists_leave_room_for_those_who_look_for_single_rows() {
    let Some((_server, database)) = private().await else {
        return;
    };
    let (begun, mut running) = tokio::sync::mpsc::unbounded_channel();
    let end = CancellationToken::new();
    let lists = join_all((0..20).map(|_| {
        let (begun, end) = (begun.clone(), end.clone());
        let listed = database.read("list", move |tx| {
            let (begun, end) = (begun.clone(), end.clone());
            Box::pin(async move {
                tx.query(SELECT_ONE, args![]).await?;
                begun.send(()).unwrap();
                end.cancelled().await;
                Ok::<_, DbError>(())
            })
        });
        // Those that find no room in time are told so.
        async { drop(listed.await) }
    }));
    let single = async {
        for _ in 0..4 {
            running.recv().await.unwrap();
        }
        for _ in 0..8 {
            let found = database.read_once("single", |tx| Box::pin(tx.query(SELECT_ONE, args![])));
            assert!(found.await.unwrap().is_empty());
        }
        end.cancel();
    };
    tokio::join!(lists, single);
    database.close().await;
}

#[tokio::test]
async fn every_session_but_an_audits_limits_the_time_of_its_statements() {
    let Some((_server, database)) = private().await else {
        return;
    };
    let limit = "SELECT CAST(@@max_statement_time AS SIGNED)";
    let once = || database.read_once("once", move |tx| Box::pin(tx.query(limit, args![])));
    let long = || database.read_long("long", move |tx| Box::pin(tx.query(limit, args![])));
    let seconds = |rows: Result<Vec<Row>, DbError>| rows.unwrap()[0].int(0).unwrap();
    assert_eq!(seconds(once().await), 10);
    assert_eq!(seconds(long().await), 0, "audits read whole tables");
    // The session of the audit is nobody else's afterwards.
    assert_eq!(seconds(once().await), 10);
    database.close().await;
}
