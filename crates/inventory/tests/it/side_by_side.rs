//! Proves that SQLite and MySQL do what the model does: both get the same random batches, and must give
//! the same answers and hold the same balances, ledger, sums and audit.

use inventory::domain::{Command, Entry, Movement, Op, Reference, Stock};
use inventory::store::memory::MemoryStore;
use inventory::store::sql::SqlStore;
use inventory::store::{LedgerSums, Store};
use platform::args;
use platform::db::{Database, DbError, Row};
use proptest::prelude::*;
use testkit::TestDatabase;
use types::{BookId, IdempotencyKey};

use crate::store::{apply, open};
use crate::stories::{any_command, book, key, ops, restock};

/// Reads the whole ledger as it is stored.
async fn ledger_of(database: &Database) -> Vec<Entry> {
    let select = "SELECT operation_type, change_quantity, change_reserved, book_id, \
        quantity_after, reserved_after, version_after, idempotency_key, hold_key, reference_id, \
        created_at FROM inventory_logs ORDER BY id";
    let rows = database
        .read("test", move |tx| {
            Box::pin(async move { tx.query(select, args![]).await })
        })
        .await
        .unwrap();
    rows.iter().map(|row| entry_of(row).unwrap()).collect()
}

fn entry_of(row: &Row) -> Result<Entry, DbError> {
    let key_at = |column: usize| -> Result<Option<IdempotencyKey>, DbError> {
        let bytes = row.opt_bytes(column)?;
        Ok(bytes.map(|bytes| key(std::str::from_utf8(&bytes).unwrap())))
    };
    Ok(Entry {
        movement: Movement::from_name(&row.text(0)?).unwrap(),
        change_quantity: row.int32(1)?,
        change_reserved: row.int32(2)?,
        after: Stock {
            book: BookId::from_i64(row.int(3)?).unwrap(),
            quantity: row.int32(4)?,
            reserved: row.int32(5)?,
            version: row.int(6)?,
        },
        key: key_at(7)?,
        hold_key: key_at(8)?,
        reference: row.opt_int(9)?.map(|id| Reference::from_i64(id).unwrap()),
        created_at: row.time(10)?,
    })
}

/// Gives both stores the same batches and compares everything that can be seen.
async fn run_side_by_side(home: TestDatabase, batches: Vec<Vec<Op>>) {
    let database = open(&home).await;
    let (model, sql) = (MemoryStore::new(), SqlStore::new(database.clone()));
    for batch in batches {
        let expected = apply(&model, batch.clone()).await;
        assert_eq!(apply(&sql, batch.clone()).await, expected, "{batch:?}");
    }
    let mut books = [book(1), book(2), book(3)];
    let expected = model.read_stocks(&books).await.unwrap();
    books.reverse();
    let mut stored = sql.read_stocks(&books).await.unwrap();
    stored.sort_by_key(|stock| stock.book);
    assert_eq!(stored, expected);
    assert_eq!(ledger_of(&database).await, model.ledger());
    let audit = sql.read_audit().await.unwrap();
    assert_eq!(audit.problems, []);
    assert_eq!(audit, model.read_audit().await.unwrap());
    let start = LedgerSums::default();
    assert_eq!(
        sql.read_sums(start).await.unwrap(),
        model.read_sums(start).await.unwrap()
    );
    sql.close().await;
}

/// Stock for three books, then the batches.
fn stocked(batches: Vec<Vec<Command>>) -> Vec<Vec<Op>> {
    let mut batches: Vec<Vec<Op>> = batches.into_iter().map(ops).collect();
    batches.insert(0, ops((1..=3).map(|id| restock(id, 15, "")).collect()));
    batches
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn sqlite_does_what_the_model_does(
        batches in prop::collection::vec(prop::collection::vec(any_command(), 1..12), 1..10)
    ) {
        runtime().block_on(run_side_by_side(
            TestDatabase::sqlite().unwrap(),
            stocked(batches),
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn mysql_does_what_the_model_does(
        batches in prop::collection::vec(prop::collection::vec(any_command(), 1..12), 1..10)
    ) {
        runtime().block_on(async {
            if let Some(database) = TestDatabase::mysql().await.unwrap() {
                run_side_by_side(database, stocked(batches)).await;
            }
        });
    }
}
