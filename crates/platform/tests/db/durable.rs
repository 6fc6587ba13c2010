//! A write transaction that wrote nothing passes the barrier, so that what it answers rests on the disk.

use platform::args;
use platform::db::{Database, Matches};

use super::{NUMBERED, insert, open};
use testkit::servers::mysql;

/// How often the barrier was passed.
async fn passes(database: &Database) -> i64 {
    let sql = "SELECT passes FROM commit_barrier";
    let read = database.read_once("passes", move |tx| Box::pin(tx.query(sql, args![])));
    read.await.unwrap()[0].int(0).unwrap()
}

#[tokio::test]
async fn a_unit_that_wrote_nothing_writes_for_the_sake_of_the_log() {
    let Some(server) = mysql().await.unwrap() else {
        return;
    };
    let database = open(&server.new_database().await.unwrap()).await;
    insert(&database, 1, 5).await.unwrap();
    let each = database.write("each", |tx| {
        let sql = "UPDATE things SET amount = ? WHERE id = ?";
        let each = vec![args![6_i64, 1_i64]];
        Box::pin(tx.execute_each(sql, each, Matches::OneEach("things")))
    });
    each.await.unwrap();
    let update = database.write("update", |tx| {
        Box::pin(tx.execute("UPDATE things SET amount = 7", args![]))
    });
    assert_eq!(update.await.unwrap(), 1);
    assert_eq!(passes(&database).await, 0, "what is written needs no more");

    // Found, found nothing, changed nothing, inserted nothing.
    let found = database.write("read", |tx| {
        Box::pin(tx.query("SELECT id FROM things FOR UPDATE", args![]))
    });
    assert_eq!(found.await.unwrap().len(), 1);
    let nothing = database.write("nothing", |tx| {
        Box::pin(tx.execute("UPDATE things SET amount = 8 WHERE id = 2", args![]))
    });
    assert_eq!(nothing.await.unwrap(), 0);
    let none = database.write("none", |tx| Box::pin(tx.insert_rows(&NUMBERED, Vec::new())));
    none.await.unwrap();
    assert_eq!(passes(&database).await, 3);
    database.sync().await.unwrap();
    assert_eq!(passes(&database).await, 4);
    database.close().await;
}
