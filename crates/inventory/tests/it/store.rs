//! One suite for every store: the same functions run on the model, on SQLite and on MySQL. What only a
//! database can do (be opened again, be brought up from an earlier schema, use an index) follows at the end; what several
//! replicas do on one is in `replicas.rs`.

use inventory::MIGRATIONS;
use inventory::domain::{Answer, Decision, Op, Refusal};
use inventory::store::memory::MemoryStore;
use inventory::store::sql::SqlStore;
use inventory::store::{LedgerSums, Store};
use platform::args;
use platform::db::{Database, DatabaseOptions, DbError, Value};
use testkit::TestDatabase;
use types::BookId;

use crate::stories::{
    batch_deduct, batch_release, book, commit, deduct, line, ops, release, restock,
};

/// Opens the test's database, and makes its tables where there are none.
pub(crate) async fn open(database: &TestDatabase) -> Database {
    Database::open(database.url(), MIGRATIONS, DatabaseOptions::default())
        .await
        .unwrap()
}

/// Applies a batch that the store takes.
pub(crate) async fn apply(store: &dyn Store, ops: Vec<Op>) -> Vec<Decision> {
    store.apply(ops.into()).await.unwrap()
}

/// What is free, what is reserved, and the version.
pub(crate) async fn stock_of(store: &dyn Store, id: u64) -> (i32, i32, i64) {
    let stocks = store.read_stocks(&[book(id)]).await.unwrap();
    (stocks[0].quantity, stocks[0].reserved, stocks[0].version)
}

macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::MemoryStore::new()).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let database = super::TestDatabase::sqlite().unwrap();
                let store = super::SqlStore::new(super::open(&database).await);
                super::$name(&store).await;
                super::Store::close(&store).await;
            })+
        }
        mod mysql {
            $(#[tokio::test]
            async fn $name() {
                let Some(database) = super::TestDatabase::mysql().await.unwrap() else {
                    return;
                };
                let store = super::SqlStore::new(super::open(&database).await);
                super::$name(&store).await;
                super::Store::close(&store).await;
            })+
        }
    };
}

on_every_store!(
    operations_of_one_batch_see_each_other,
    a_refusal_does_not_touch_its_neighbours,
    a_hold_is_found_again_by_its_key,
    a_release_finds_the_oldest_of_many_holds,
    a_release_finds_enough_although_its_neighbours_end_holds,
    holds_given_back_do_not_hide_those_that_are_open,
    every_kind_of_key_is_remembered,
    keys_compare_byte_for_byte,
    sums_go_on_from_where_they_ended,
    a_healthy_store_has_nothing_to_audit,
    no_operations_and_no_books_are_no_work,
    the_largest_batch_is_applied,
);

async fn operations_of_one_batch_see_each_other(store: &dyn Store) {
    let batch = ops(vec![
        restock(1, 10, "r"),
        deduct(1, 4, 7, "d"),
        deduct(1, 4, 7, "d"),
        release(1, 1, 7, ""),
        batch_release("d"),
        deduct(1, 4, 7, "d"),
        batch_release("late"),
        batch_deduct(&[(1, 1)], 8, "late"),
    ]);
    let decisions = apply(store, batch).await;
    let none = Ok(Answer::Lines(Vec::new()));
    assert_eq!(
        decisions,
        [
            Ok(Answer::Quantity(10)),
            Ok(Answer::Quantity(6)),
            Ok(Answer::Quantity(6)),
            Ok(Answer::Quantity(7)),
            Ok(Answer::Lines(vec![line(1, 3)])),
            Err(Refusal::Cancelled),
            none,
            Err(Refusal::Cancelled),
        ]
    );
    assert_eq!(stock_of(store, 1).await, (10, 0, 4));
}

async fn a_refusal_does_not_touch_its_neighbours(store: &dyn Store) {
    apply(store, ops(vec![restock(1, 5, ""), restock(2, 5, "")])).await;
    let batch = ops(vec![
        batch_deduct(&[(1, 1), (2, 9)], 1, "a"),
        batch_deduct(&[(1, 5)], 1, "b"),
        deduct(1, 1, 1, "c"),
        restock(2, i32::MAX, "d"),
        deduct(2, 5, 1, "e"),
    ]);
    let decisions = apply(store, batch).await;
    let short = |id, remaining| {
        Err(Refusal::Insufficient {
            book: book(id),
            remaining,
        })
    };
    assert_eq!(decisions[0], short(2, 5));
    assert!(decisions[1].is_ok());
    assert_eq!(decisions[2], short(1, 0));
    assert_eq!(decisions[3], Err(Refusal::TooManyCopies));
    assert_eq!(decisions[4], Ok(Answer::Quantity(0)));
    assert_eq!(stock_of(store, 1).await, (0, 5, 2));
    assert_eq!(stock_of(store, 2).await, (0, 5, 2));
}

async fn a_hold_is_found_again_by_its_key(store: &dyn Store) {
    apply(store, ops(vec![restock(1, 9, ""), restock(2, 9, "")])).await;
    let asked = || vec![batch_deduct(&[(2, 3), (1, 2)], 5, "b")];
    let first = apply(store, ops(asked())).await;
    assert_eq!(first, apply(store, ops(asked())).await);
    let lines = Ok(Answer::Lines(vec![line(1, 2), line(2, 3)]));
    for _ in 0..2 {
        assert_eq!(
            apply(store, ops(vec![commit("b")])).await,
            std::slice::from_ref(&lines)
        );
    }
    assert_eq!(first, apply(store, ops(asked())).await);
    assert_eq!(
        apply(store, ops(vec![batch_release("b")])).await,
        [Ok(Answer::Lines(vec![]))]
    );
    assert_eq!(stock_of(store, 1).await, (7, 0, 3));
}

async fn a_release_finds_the_oldest_of_many_holds(store: &dyn Store) {
    apply(store, ops(vec![restock(1, 100, "")])).await;
    // Keys run against age, so that an order by key would be found out.
    for n in (0..20).rev() {
        apply(store, ops(vec![deduct(1, 2, 3, &format!("hold-{n:02}"))])).await;
    }
    assert_eq!(
        apply(store, ops(vec![release(1, 5, 3, "r")])).await,
        [Ok(Answer::Quantity(65))]
    );
    let left = |n: u64, copies| (format!("hold-{n:02}"), copies);
    for (text, copies) in [
        left(19, 0),
        left(18, 0),
        left(17, 1),
        left(16, 2),
        left(0, 2),
    ] {
        let lines = if copies == 0 {
            vec![]
        } else {
            vec![line(1, copies)]
        };
        let ended = apply(store, ops(vec![batch_release(&text)])).await;
        assert_eq!(ended, [Ok(Answer::Lines(lines))], "{text}");
    }
    let too_many = apply(store, ops(vec![release(1, 1000, 3, "")])).await;
    assert_eq!(too_many, [Err(Refusal::ReleaseExceedsDeducted)]);
}

async fn a_release_finds_enough_although_its_neighbours_end_holds(store: &dyn Store) {
    apply(store, ops(vec![restock(1, 100, "")])).await;
    for n in 0..6 {
        apply(store, ops(vec![deduct(1, 1, 3, &format!("hold-{n}"))])).await;
    }
    let batch = vec![
        commit("hold-0"),
        batch_release("hold-1"),
        release(1, 4, 3, ""),
    ];
    let decisions = apply(store, ops(batch)).await;
    assert_eq!(decisions[2], Ok(Answer::Quantity(99)));
    assert_eq!(stock_of(store, 1).await.1, 0);
}

async fn holds_given_back_do_not_hide_those_that_are_open(store: &dyn Store) {
    apply(store, ops(vec![restock(1, 10, "")])).await;
    for n in 0..5 {
        apply(store, ops(vec![deduct(1, 1, 3, &format!("hold-{n}"))])).await;
    }
    for left in (0..5).rev() {
        apply(store, ops(vec![release(1, 1, 3, "")])).await;
        assert_eq!(stock_of(store, 1).await.1, left);
    }
}

async fn every_kind_of_key_is_remembered(store: &dyn Store) {
    apply(store, ops(vec![restock(1, 50, "")])).await;
    let commands = || {
        vec![
            restock(1, 5, "restock"),
            deduct(1, 5, 1, "deduct"),
            release(1, 2, 1, "release"),
            batch_deduct(&[(1, 5)], 1, "batch"),
            batch_release("fence"),
        ]
    };
    let first = apply(store, ops(commands())).await;
    assert!(first.iter().all(Result::is_ok));
    assert_eq!(first, apply(store, ops(commands())).await);
    for text in ["restock", "deduct", "release", "batch", "fence"] {
        let other = apply(store, ops(vec![restock(1, 6, text)])).await;
        assert_eq!(other, [Err(Refusal::KeyConflict)], "{text}");
    }
    assert_eq!(stock_of(store, 1).await, (47, 8, 5));
}

async fn keys_compare_byte_for_byte(store: &dyn Store) {
    let texts = ["k", "K", "k ", " k", "ké", "ke\u{301}", "库存"];
    let batch = texts.iter().map(|text| restock(1, 1, text)).collect();
    let decisions = apply(store, ops(batch)).await;
    let expected: Vec<Decision> = (1..=7).map(|n| Ok(Answer::Quantity(n))).collect();
    assert_eq!(decisions, expected);
}

async fn sums_go_on_from_where_they_ended(store: &dyn Store) {
    let nothing = store.read_sums(LedgerSums::default(), 0).await.unwrap();
    assert_eq!(
        (nothing.drift(), nothing.ledger),
        (0, LedgerSums::default())
    );
    apply(store, ops(vec![restock(1, 10, ""), deduct(1, 3, 1, "d")])).await;
    let first = store.read_sums(nothing.ledger, 1).await.unwrap();
    assert_eq!((first.settled.last_entry, first.settled.quantity), (1, 10));
    apply(store, ops(vec![commit("d"), restock(2, 4, "")])).await;
    let read = store.read_sums(first.settled, first.ledger.last_entry);
    let second = read.await.unwrap();
    assert_eq!(
        (second.quantity, second.reserved, second.drift()),
        (11, 0, 0)
    );
    assert_eq!(second.settled, first.ledger);
    let whole = store.read_sums(LedgerSums::default(), 0).await.unwrap();
    assert_eq!(second.ledger, whole.ledger);
    assert_eq!(whole.settled, LedgerSums::default());
    let nothing_new = store.read_sums(second.ledger, 0).await.unwrap();
    assert_eq!(second.ledger, nothing_new.ledger);
}

async fn a_healthy_store_has_nothing_to_audit(store: &dyn Store) {
    let batch = vec![
        restock(1, 10, ""),
        restock(2, 10, ""),
        batch_deduct(&[(2, 2), (1, 1)], 44, "open"),
        batch_deduct(&[(1, 1)], 45, "committed"),
        commit("committed"),
        deduct(1, 3, 46, "single"),
        release(1, 1, 46, ""),
        deduct(1, 1, 47, "empty"),
        release(1, 1, 47, ""),
        batch_release("fence"),
    ];
    apply(store, ops(batch)).await;
    let audit = store.read_audit().await.unwrap();
    assert_eq!(audit.problems, []);
    let books: Vec<_> = audit
        .books
        .iter()
        .map(|b| (b.stock.book.get(), b.restocked, b.committed))
        .collect();
    assert_eq!(books, [(1, 10, 1), (2, 10, 0)]);
    let holds: Vec<_> = audit
        .holds
        .iter()
        .map(|hold| {
            (
                hold.key.as_str(),
                hold.reference.get(),
                hold.is_batch,
                hold.changed_at.get(),
            )
        })
        .collect();
    assert_eq!(holds, [("open", 44, true, 3), ("single", 46, false, 7)]);
    assert_eq!(audit.holds[0].lines, [line(1, 1), line(2, 2)]);
    assert_eq!(audit.holds[1].lines, [line(1, 2)]);
}

async fn no_operations_and_no_books_are_no_work(store: &dyn Store) {
    assert_eq!(apply(store, Vec::new()).await, []);
    assert_eq!(store.read_stocks(&[]).await.unwrap(), []);
    assert_eq!(store.read_stocks(&[book(1)]).await.unwrap(), []);
}

async fn the_largest_batch_is_applied(store: &dyn Store) {
    let books = || 1..=600_u64;
    apply(store, ops(books().map(|id| restock(id, 3, "")).collect())).await;
    let deducts = books().map(|id| batch_deduct(&[(id, 1), (601 - id, 1)], id, &format!("b-{id}")));
    let decisions = apply(store, ops(deducts.collect())).await;
    assert!(decisions.iter().all(Result::is_ok));
    let asked: Vec<BookId> = books().map(book).collect();
    let stocks = store.read_stocks(&asked).await.unwrap();
    assert_eq!(stocks.len(), 600);
    assert!(
        stocks
            .iter()
            .all(|stock| (stock.quantity, stock.reserved) == (1, 2))
    );
    let ends = books().map(|id| commit(&format!("b-{id}")));
    assert!(
        apply(store, ops(ends.collect()))
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(store.read_audit().await.unwrap().problems, []);
}

#[tokio::test]
async fn what_was_applied_is_there_after_the_database_is_opened_again() {
    let home = TestDatabase::new().await.unwrap();
    let store = SqlStore::new(open(&home).await);
    apply(
        &store,
        ops(vec![restock(1, 10, "r"), batch_deduct(&[(1, 4)], 2, "b")]),
    )
    .await;
    store.close().await;
    let closed = store.apply(ops(vec![restock(1, 1, "")]).into()).await;
    assert!(matches!(closed, Err(DbError::Unavailable(_))), "{closed:?}");
    let store = SqlStore::new(open(&home).await);
    assert_eq!(stock_of(&store, 1).await, (6, 4, 2));
    assert_eq!(
        apply(&store, ops(vec![restock(1, 10, "r")])).await,
        [Ok(Answer::Quantity(10))]
    );
    store.close().await;
}

#[tokio::test]
async fn batches_of_before_are_found_by_their_keys_on_sqlite() {
    bring_up_from_step_one(&TestDatabase::sqlite().unwrap()).await;
}

#[tokio::test]
async fn batches_of_before_are_found_by_their_keys_on_mysql() {
    if let Some(home) = TestDatabase::mysql().await.unwrap() {
        bring_up_from_step_one(&home).await;
    }
}

/// Batches that are open, released, committed and of a hundred books, in a schema that keeps their lines in the
/// ledger alone: after the step they are what they were.
async fn bring_up_from_step_one(home: &TestDatabase) {
    let database = open(home).await;
    let store = SqlStore::new(database.clone());
    let books = || 1..=100_u64;
    apply(
        &store,
        ops(books().map(|id| restock(id, 1_000_000, "")).collect()),
    )
    .await;
    let of_all: Vec<_> = books().rev().map(|id| (id, 100_000)).collect();
    let deducts = || {
        vec![
            batch_deduct(&[(2, 3), (1, 2)], 5, "open"),
            batch_deduct(&[(2, 1)], 6, "released"),
            batch_deduct(&[(1, 1), (9, 4)], 7, "committed"),
            batch_deduct(&of_all, 8, "long"),
            deduct(1, 1, 9, "single"),
        ]
    };
    let ends = || vec![batch_release("released"), commit("committed")];
    let mut first = apply(&store, ops(deducts())).await;
    let ended = apply(&store, ops(ends())).await;
    database
        .write("step back", |tx| {
            Box::pin(async move {
                for sql in [
                    "ALTER TABLE inventory_keys DROP COLUMN held_lines",
                    "CREATE INDEX inventory_logs_hold ON inventory_logs (hold_key)",
                    "DELETE FROM schema_migrations WHERE number = 2",
                ] {
                    tx.execute(sql, args![]).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    store.close().await;
    let store = SqlStore::new(open(home).await);
    first[1] = Err(Refusal::Cancelled);
    assert_eq!(apply(&store, ops(deducts())).await, first);
    assert_eq!(apply(&store, ops(ends())).await, ended);
    assert_eq!(store.read_audit().await.unwrap().problems, []);
    let lines = Ok(Answer::Lines(vec![line(1, 2), line(2, 3)]));
    assert_eq!(apply(&store, ops(vec![commit("open")])).await, [lines]);
    let released = apply(&store, ops(vec![batch_release("long")])).await;
    let lines = books().map(|id| line(id, 100_000)).collect();
    assert_eq!(released, [Ok(Answer::Lines(lines))]);
    assert_eq!(store.read_audit().await.unwrap().problems, []);
    store.close().await;
}

#[tokio::test]
async fn the_write_path_finds_its_rows_by_index() {
    // SQLite tells how it would read; what other servers tell differs with how full a table is.
    let home = TestDatabase::sqlite().unwrap();
    let database = open(&home).await;
    let statements = [
        "SELECT version FROM inventories WHERE book_id IN (?, ?) ORDER BY book_id",
        "SELECT state FROM inventory_keys WHERE idempotency_key IN (?, ?) ORDER BY idempotency_key",
        "SELECT state FROM inventory_keys WHERE book_id = ? AND reference_id = ? \
            AND open_version IS NOT NULL ORDER BY open_version LIMIT 3",
        "UPDATE inventories SET quantity = 1 WHERE book_id = ?",
        "UPDATE inventory_keys SET state = 'held' WHERE idempotency_key = ?",
    ];
    for statement in statements {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let args = vec![Value::Int(1); statement.matches('?').count()];
        let plan = database
            .read("test", move |tx| {
                let (explain, args) = (explain.clone(), args.clone());
                Box::pin(async move { tx.query(&explain, args).await })
            })
            .await
            .unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.text(3).unwrap()).collect();
        assert!(
            steps.iter().all(|step| !step.contains("SCAN")),
            "{statement}: {steps:?}"
        );
    }
    database.close().await;
}
