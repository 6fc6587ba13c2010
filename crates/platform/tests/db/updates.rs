//! Many rows updated by one statement.

use platform::args;
use platform::db::{Database, DbError, Insert, Matches, Update, Value};
use types::UnixMillis;

use super::{insert, on_all, open, sum};

const SET_AMOUNT: Update = Update {
    table: "things",
    set: &["amount", "name", "secret", "at"],
    key: "id",
    guards: &["amount"],
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
        guards: &[],
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
