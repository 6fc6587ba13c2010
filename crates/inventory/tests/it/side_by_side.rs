//! Proves that SQLite and MySQL do what the model does: all get the same random batches, and after each
//! they must have given the same answers and hold the same rows, and every read must say the same.

use inventory::domain::{
    Command, Entry, FirstAnswer, Hold, KeyRow, KeyUse, Method, Movement, Op, Reference, Stock,
};
use inventory::store::memory::MemoryStore;
use inventory::store::sql::SqlStore;
use inventory::store::{LedgerSums, Store};
use platform::args;
use platform::db::{Database, DbError, Row};
use proptest::prelude::*;
use testkit::TestDatabase;
use types::{BookId, IdempotencyKey, UnixMillis};

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

/// A row of `inventory_keys`, column by column, except `held_lines`: the audit compares an open batch's
/// lines with the ledger.
#[derive(Debug, PartialEq, Eq)]
struct StoredKey {
    key: Vec<u8>,
    used_by: String,
    fingerprint: Option<Vec<u8>>,
    state: Option<String>,
    created_at: UnixMillis,
    /// Reference, answer; book, version while open, outstanding, settled.
    numbers: [Option<i64>; 6],
}

/// Reads all keys as they are stored.
async fn keys_of(database: &Database) -> Vec<StoredKey> {
    let select = "SELECT idempotency_key, used_by, fingerprint, state, created_at, reference_id, \
        answer_quantity, book_id, open_version, outstanding, settled FROM inventory_keys \
        ORDER BY idempotency_key";
    let rows = database
        .read("test", move |tx| {
            Box::pin(async move { tx.query(select, args![]).await })
        })
        .await
        .unwrap();
    rows.iter().map(|row| stored_key(row).unwrap()).collect()
}

fn stored_key(row: &Row) -> Result<StoredKey, DbError> {
    let mut numbers = [None; 6];
    for (column, number) in (5..).zip(&mut numbers) {
        *number = row.opt_int(column)?;
    }
    Ok(StoredKey {
        key: row.bytes(0)?,
        used_by: row.text(1)?,
        fingerprint: row.opt_bytes(2)?,
        state: row.opt_text(3)?,
        created_at: row.time(4)?,
        numbers,
    })
}

/// The row that a key of the model should have.
fn expected_key((key, row): (IdempotencyKey, KeyRow)) -> StoredKey {
    let mut stored = StoredKey {
        key: key.as_str().as_bytes().to_vec(),
        used_by: "fence".to_owned(),
        fingerprint: None,
        state: None,
        created_at: row.created_at,
        numbers: [None; 6],
    };
    match row.used {
        KeyUse::Fence => {}
        KeyUse::Answered {
            method,
            fingerprint,
            quantity,
        } => {
            let name = match method {
                Method::Restock => "restock",
                Method::Release => "release",
            };
            name.clone_into(&mut stored.used_by);
            stored.fingerprint = Some(fingerprint.as_bytes().to_vec());
            stored.numbers[1] = Some(quantity.into());
        }
        KeyUse::Hold(hold) => expect_hold(&hold, &mut stored),
    }
    stored
}

fn expect_hold(hold: &Hold, stored: &mut StoredKey) {
    stored.fingerprint = Some(hold.fingerprint.as_bytes().to_vec());
    stored.state = Some(hold.state.name().to_owned());
    stored.numbers[0] = Some(hold.reference.as_i64());
    let FirstAnswer::Remaining(remaining) = hold.first_answer else {
        "batch".clone_into(&mut stored.used_by);
        return;
    };
    "deduct".clone_into(&mut stored.used_by);
    let line = hold.lines[0];
    let open = (line.outstanding > 0).then_some(line.version);
    stored.numbers[1..].copy_from_slice(&[
        Some(remaining.into()),
        Some(line.book.as_i64()),
        open,
        Some(line.outstanding.into()),
        Some(line.settled.into()),
    ]);
}

/// Gives the model and the stores the same batches and compares everything that can be seen.
async fn run_side_by_side(homes: &[TestDatabase], batches: Vec<Vec<Op>>) {
    let model = MemoryStore::new();
    let mut others = Vec::new();
    for home in homes {
        let database = open(home).await;
        others.push((SqlStore::new(database.clone()), database));
    }
    let mut known = LedgerSums::default();
    for batch in batches {
        let expected = apply(&model, batch.clone()).await;
        for (sql, database) in &others {
            assert_eq!(apply(sql, batch.clone()).await, expected, "{batch:?}");
            compare(&model, sql, database, known).await;
        }
        known = model.read_sums(known, 0).await.unwrap().ledger;
    }
    for (sql, _) in others {
        sql.close().await;
    }
}

async fn compare(model: &MemoryStore, sql: &SqlStore, database: &Database, known: LedgerSums) {
    // Book 9 was never stocked, and the order of asking is not that of the rows.
    let books = [book(3), book(1), book(9), book(2)];
    let sorted = |mut stocks: Vec<Stock>| {
        stocks.sort_by_key(|stock| stock.book);
        stocks
    };
    assert_eq!(
        sorted(sql.read_stocks(&books).await.unwrap()),
        sorted(model.read_stocks(&books).await.unwrap())
    );
    assert_eq!(ledger_of(database).await, model.ledger());
    let expected: Vec<StoredKey> = model.keys().into_iter().map(expected_key).collect();
    assert_eq!(keys_of(database).await, expected);
    let audit = sql.read_audit().await.unwrap();
    assert_eq!(audit.problems, []);
    assert_eq!(audit, model.read_audit().await.unwrap());
    let next = known.last_entry + 1;
    for (from, settled_to) in [
        (LedgerSums::default(), 0),
        (LedgerSums::default(), next),
        (known, 0),
        (known, next),
        (known, i64::MAX),
    ] {
        assert_eq!(
            sql.read_sums(from, settled_to).await.unwrap(),
            model.read_sums(from, settled_to).await.unwrap()
        );
    }
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
        let homes = [TestDatabase::sqlite().unwrap()];
        runtime().block_on(run_side_by_side(&homes, stocked(batches)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn mysql_and_sqlite_do_what_the_model_does(
        batches in prop::collection::vec(prop::collection::vec(any_command(), 1..12), 1..10)
    ) {
        runtime().block_on(async {
            if let Some(mysql) = TestDatabase::mysql().await.unwrap() {
                let homes = [TestDatabase::sqlite().unwrap(), mysql];
                run_side_by_side(&homes, stocked(batches)).await;
            }
        });
    }
}
