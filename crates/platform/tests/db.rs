//! Proves, on SQLite and on a MySQL-protocol server alike: values come back as they went in; a unit of
//! work happens whole or not at all, whoever is cancelled; others who write at the same time make it
//! wait and never make it fail; migrations are applied once by however many start at once.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use platform::args;
use platform::db::{
    Database, DatabaseOptions, DatabaseUrl, DbError, Insert, Matches, Migration, SchemaState,
    Update, Value,
};
use testkit::proxy::{Cut, Proxy};
use testkit::servers::mysql;
use types::UnixMillis;

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

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_as_they_went_in() {
    on_all(|url| async move {
        let database = open(&url).await;
        let text = "书 \\ ' \" ; -- 🙂\n";
        let bytes = vec![0, 255, b'\'', b'\\', b'a'];
        let at = UnixMillis::new(1_795_355_045_123);
        let row = args![1_i64, i64::MIN, text, bytes.clone(), at];
        let nothing = Option::<i64>::None;
        let bare = |id: i64| args![id, i64::MAX, nothing, nothing, nothing];
        // NULL beside values, and where there is nothing else.
        let (rows, last) = (vec![row, bare(2)], vec![bare(3)]);
        let read = database
            .write("values", move |tx| {
                let (rows, last) = (rows.clone(), last.clone());
                Box::pin(async move {
                    tx.insert_rows(&WHOLE, rows).await?;
                    tx.insert_rows(&WHOLE, last).await?;
                    let ids = (1..=4_i64).map(Value::from).collect();
                    tx.query_in(
                        "SELECT amount, name, secret, at FROM things WHERE id IN",
                        ids,
                        "ORDER BY id",
                    )
                    .await
                })
            })
            .await
            .unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].int(0).unwrap(), i64::MIN);
        assert_eq!(read[0].text(1).unwrap(), text);
        assert_eq!(read[0].bytes(2).unwrap(), bytes);
        assert_eq!(read[0].time(3).unwrap(), at);
        for row in &read[1..] {
            assert_eq!(row.int(0).unwrap(), i64::MAX);
            assert_eq!(row.opt_text(1).unwrap(), None);
            assert_eq!(row.opt_time(3).unwrap(), None);
        }
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_compare_byte_for_byte_and_a_duplicate_rolls_all_back() {
    on_all(|url| async move {
        let database = open(&url).await;
        insert(&database, 1, 1).await.unwrap();
        let refused = database
            .write("duplicate", |tx| {
                Box::pin(async move {
                    tx.execute(
                        "INSERT INTO things (id, amount) VALUES (?, ?)",
                        args![2_i64, 1_i64],
                    )
                    .await?;
                    tx.execute(
                        "INSERT INTO things (id, amount) VALUES (?, ?)",
                        args![1_i64, 1_i64],
                    )
                    .await
                })
            })
            .await;
        assert!(
            matches!(refused, Err(DbError::Duplicate { .. })),
            "{refused:?}"
        );
        assert_eq!(sum(&database).await, 1);
        database.close().await;
    })
    .await;
}

const SET_AMOUNT: Update = Update {
    table: "things",
    set: &["amount", "name", "secret", "at"],
    key: "id",
    guard: Some("amount"),
};

/// Sets the amount of `id` from `before` to `after`, and everything else by it.
fn set_amount(id: i64, before: i64, after: i64) -> Vec<Value> {
    let name = (after % 2 == 0).then(|| format!("it's {after} \\ 书"));
    let secret = name.as_ref().map(|_| vec![0, 255, b'\'']);
    let at = (after % 3 == 0).then(|| UnixMillis::new(1_795_355_045_120 + after));
    args![after, name, secret, at, id, before]
}

async fn update(database: &Database, rows: Vec<Vec<Value>>) -> Result<(), DbError> {
    database
        .write("update", move |tx| {
            let rows = rows.clone();
            Box::pin(async move { tx.update_rows(&SET_AMOUNT, rows).await })
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_are_updated_at_once_each_to_its_own_values() {
    on_all(|url| async move {
        let database = open(&url).await;
        for id in 1..=100 {
            insert(&database, id, id % 3).await.unwrap();
        }
        // Equal values count as matched: a compare-and-set tests the old state itself.
        let rows = (1..=100).map(|id| set_amount(id, id % 3, id / 2)).collect();
        update(&database, rows).await.unwrap();
        let read = database.read("all", |tx| {
            Box::pin(async move {
                let all = "SELECT id, amount, name, secret, at FROM things ORDER BY id";
                tx.query(all, args![]).await
            })
        });
        for row in read.await.unwrap() {
            let id = row.int(0).unwrap();
            let expected = set_amount(id, id % 3, id / 2);
            let name = Value::from(row.opt_text(2).unwrap());
            let secret = Value::from(row.opt_bytes(3).unwrap());
            let found = vec![
                row.int(1).unwrap().into(),
                name,
                secret,
                row.opt_time(4).unwrap().into(),
            ];
            assert_eq!(found, expected[..4], "{id}");
        }
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_updated_by_keys_that_differ_in_a_byte_alone() {
    const BY_SECRET: Update = Update {
        table: "things",
        set: &["amount"],
        key: "secret",
        guard: None,
    };
    on_all(|url| async move {
        let database = open(&url).await;
        let insert = Insert {
            table: "things",
            columns: "id, amount, secret",
        };
        let keys: [&[u8]; 7] = [b"a", b"A", b"a ", b"a\0", b"\xc3\xa4", b"'a'", b"a\\"];
        let rows = |of: fn(i64) -> i64| {
            let row = move |(id, key)| args![id, of(id), key];
            (1_i64..).zip(keys).map(row).collect::<Vec<_>>()
        };
        let (inserted, updated) = (rows(|id| id), rows(|id| id * 10));
        let read = database.write("bytes", move |tx| {
            let inserted = inserted.clone();
            let updated = updated.iter().map(|row| row[1..].to_vec()).collect();
            Box::pin(async move {
                tx.insert_rows(&insert, inserted).await?;
                tx.update_rows(&BY_SECRET, updated).await?;
                tx.query("SELECT id, amount FROM things", args![]).await
            })
        });
        let read = read.await.unwrap();
        assert_eq!(read.len(), keys.len());
        for row in read {
            assert_eq!(row.int(1).unwrap(), row.int(0).unwrap() * 10);
        }
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_as_it_was_read_rolls_the_unit_back() {
    on_all(|url| async move {
        let database = open(&url).await;
        insert(&database, 1, 1).await.unwrap();
        insert(&database, 2, 2).await.unwrap();
        for wrong in [set_amount(2, 7, 20), set_amount(3, 2, 20)] {
            let refused = update(&database, vec![set_amount(1, 1, 10), wrong]).await;
            assert!(
                matches!(refused, Err(DbError::Contention(_))),
                "{refused:?}"
            );
            assert_eq!(sum(&database).await, 3);
        }
        for (matches, fits) in [(Matches::OneEach("things"), false), (Matches::Any, true)] {
            let deleted = database.write("delete", move |tx| {
                Box::pin(async move {
                    let each = vec![args![1_i64], args![9_i64]];
                    tx.execute_each("DELETE FROM things WHERE id = ?", each, matches)
                        .await
                })
            });
            assert_eq!(deleted.await.is_ok(), fits, "{matches:?}");
        }
        assert_eq!(sum(&database).await, 2);
        database.close().await;
    })
    .await;
}

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
async fn ten_that_start_at_once_migrate_once() {
    on_all(|url| async move {
        let opened = join_all((0..10).map(|_| open(&url))).await;
        for database in opened {
            database.close().await;
        }
        let found = Database::inspect(&url, MIGRATIONS).await.unwrap();
        assert_eq!(found.schema, SchemaState::Current { steps: 1 });
        let options = DatabaseOptions {
            migrate: false,
            ..DatabaseOptions::default()
        };
        Database::open(&url, MIGRATIONS, options)
            .await
            .unwrap()
            .close()
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_migration_and_a_missing_one_are_refused() {
    const CHANGED: &[Migration] = &[Migration {
        number: 1,
        name: "things",
        sqlite: "SELECT 1",
        mysql: "SELECT 1",
    }];
    on_all(|url| async move {
        let options = DatabaseOptions {
            migrate: false,
            ..DatabaseOptions::default()
        };
        let missing = Database::open(&url, MIGRATIONS, options).await.err();
        let missing = missing.unwrap().to_string();
        assert!(missing.contains("bookstore migrate"), "{missing}");
        open(&url).await.close().await;
        let changed = Database::open(&url, CHANGED, DatabaseOptions::default())
            .await
            .err();
        assert!(matches!(changed, Some(DbError::Corrupt(_))), "{changed:?}");
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

/// The value of a counter of the unit "counted" on the process' metrics page.
fn counted(name: &str) -> u64 {
    let page = platform::telemetry::metrics_page().unwrap().render();
    let prefix = format!("{name}{{work=\"counted\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&prefix));
    line.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn units_of_work_and_their_round_trips_are_counted() {
    on_all(|url| async move {
        platform::telemetry::metrics_page().unwrap();
        let database = open(&url).await;
        let (units, round_trips) = (
            counted("bookstore_db_units_total"),
            counted("bookstore_db_round_trips_total"),
        );
        let rows = |first: i64| (first..first + 3).map(|id| args![id, 1_i64]).collect();
        let written = database.write("counted", move |tx| {
            Box::pin(async move {
                tx.insert_rows(&NUMBERED, rows(1)).await?;
                tx.query("SELECT id FROM things", Vec::new()).await
            })
        });
        assert_eq!(written.await.unwrap().len(), 3);
        let failed = database.write::<(), _>("counted", |_| {
            Box::pin(async { Err(DbError::Broken("on purpose".to_owned())) })
        });
        assert!(failed.await.is_err());
        let asked = counted("bookstore_db_round_trips_total") - round_trips;
        assert_eq!(counted("bookstore_db_units_total") - units, 2);
        // In process: begin, insert, select, commit; begin, roll back. To a server: all that can wait
        // goes with the select, then the commit; and of what failed before it had to ask, nothing.
        let server = Database::inspect(&url, MIGRATIONS).await.unwrap().server;
        let expected = if server.starts_with("SQLite") { 6 } else { 2 };
        assert_eq!(asked, expected, "{server}");
        database.close().await;
    })
    .await;
}
