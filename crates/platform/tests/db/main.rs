//! Proves, on SQLite and on a MySQL-protocol server alike: values come back as they went in; a unit of
//! work happens whole or not at all, whoever is cancelled; others who write at the same time make it
//! wait and never make it fail; migrations are applied once by however many start at once. What a server
//! adds is in `durable.rs`, `limits.rs`, `socket.rs` and `turns.rs`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod counts;
mod durable;
mod limits;
mod migrations;
mod socket;
mod turns;
mod units;
mod updates;
mod values;

use platform::args;
use platform::db::{Database, DatabaseOptions, DatabaseUrl, DbError, Insert, Migration};
use testkit::servers::mysql;

const SQLITE: &str = "CREATE TABLE things (id BIGINT NOT NULL PRIMARY KEY, amount BIGINT NOT NULL,
    name VARCHAR(64) NULL, secret VARBINARY(64) NULL, at DATETIME(3) NULL)";
// A server's default character set may be anything: a schema spells out its own.
const MYSQL: &str = "CREATE TABLE IF NOT EXISTS things (id BIGINT NOT NULL PRIMARY KEY,
    amount BIGINT NOT NULL, name VARCHAR(64) NULL, secret VARBINARY(64) NULL, at DATETIME(3) NULL)
    DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "things",
    sqlite: SQLITE,
    mysql: MYSQL,
}];

/// Things with a number alone, or with all there is to them.
const NUMBERED: Insert = Insert {
    table: "things",
    columns: "id, amount",
};
const WHOLE: Insert = Insert {
    table: "things",
    columns: "id, amount, name, secret, at",
};

/// Runs one test on every kind of database there is; each gets an empty one.
async fn on_all<F: Future<Output = ()>>(test: impl Fn(DatabaseUrl) -> F) {
    let folder = testkit::temp_dir().unwrap();
    test(DatabaseUrl::sqlite(folder.path().join("test.db"))).await;
    if let Some(server) = mysql().await.unwrap() {
        test(server.new_database().await.unwrap()).await;
    }
}

async fn open(url: &DatabaseUrl) -> Database {
    Database::open(url, MIGRATIONS, DatabaseOptions::default())
        .await
        .unwrap()
}

async fn insert(database: &Database, id: i64, amount: i64) -> Result<(), DbError> {
    database
        .write("insert", move |tx| {
            Box::pin(async move { tx.insert_rows(&NUMBERED, vec![args![id, amount]]).await })
        })
        .await
}

async fn sum(database: &Database) -> i64 {
    database
        .read("sum", |tx| {
            Box::pin(async move {
                tx.query("SELECT COALESCE(SUM(amount), 0) FROM things", args![])
                    .await?[0]
                    .int(0)
            })
        })
        .await
        .unwrap()
}
