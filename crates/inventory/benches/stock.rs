//! What a batch of deductions costs: by the rules alone (the model), on SQLite, and on MariaDB where it is
//! installed. Each batch takes one copy of as many books as it is long, under new keys.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use inventory::MIGRATIONS;
use inventory::domain::{Command, Deduct, Line, Op, Reference, Restock};
use inventory::store::Store;
use inventory::store::memory::MemoryStore;
use inventory::store::sql::SqlStore;
use platform::db::{Database, DatabaseOptions, DatabaseUrl};
use tokio::runtime::Runtime;
use types::{BookId, IdempotencyKey, Quantity, UnixMillis};

const BATCHES: [u64; 3] = [1, 64, 512];
const BOOKS: u64 = 1_000;

fn main() {
    divan::main();
}

#[divan::bench(args = BATCHES, sample_size = 10)]
fn model(bencher: Bencher<'_, '_>, len: u64) {
    deduct(bencher, &runtime(), &MemoryStore::new(), len);
}

#[divan::bench(args = BATCHES, sample_size = 1, max_time = 5)]
fn sqlite(bencher: Bencher<'_, '_>, len: u64) {
    let folder = testkit::temp_dir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("inventory.db"));
    deduct_in(bencher, &url, len);
}

#[divan::bench(args = BATCHES, sample_size = 1, max_time = 5)]
fn mariadb(bencher: Bencher<'_, '_>, len: u64) {
    let url = runtime().block_on(async {
        let server = testkit::servers::mysql().await.unwrap()?;
        Some(server.new_database().await.unwrap())
    });
    if let Some(url) = url {
        deduct_in(bencher, &url, len);
    }
}

fn deduct_in(bencher: Bencher<'_, '_>, url: &DatabaseUrl, len: u64) {
    let runtime = runtime();
    let opened = Database::open(url, MIGRATIONS, DatabaseOptions::default());
    let store = SqlStore::new(runtime.block_on(opened).unwrap());
    deduct(bencher, &runtime, &store, len);
    runtime.block_on(store.close());
}

fn deduct(bencher: Bencher<'_, '_>, runtime: &Runtime, store: &dyn Store, len: u64) {
    let apply = |ops: Vec<Op>| {
        for decision in runtime.block_on(store.apply(ops.into())).unwrap() {
            decision.unwrap();
        }
    };
    apply((0..BOOKS).map(restock).collect());
    let keys = AtomicU64::new(0);
    bencher
        .counter(ItemsCount::new(len))
        .with_inputs(|| {
            let first = keys.fetch_add(len, Ordering::Relaxed);
            (first..first + len).map(take_one).collect::<Vec<_>>()
        })
        .bench_values(apply);
}

fn restock(rank: u64) -> Op {
    op(Restock::new(line(rank, 1_000_000_000), None).into())
}

fn take_one(number: u64) -> Op {
    let key = IdempotencyKey::new(&format!("bench-{number}")).unwrap();
    op(Deduct::new(line(number % BOOKS, 1), Reference::new(0).unwrap(), key).into())
}

fn line(rank: u64, copies: i32) -> Line {
    Line {
        book: BookId::new(rank + 1).unwrap(),
        quantity: Quantity::new(copies).unwrap(),
    }
}

fn op(command: Command) -> Op {
    Op {
        at: UnixMillis::new(1),
        command,
    }
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}
