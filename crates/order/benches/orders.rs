//! What it costs to write orders down and to confirm them, in two batches as the saga of an order with a key
//! does: by the rules alone (the model), on SQLite, and on MariaDB where it is installed.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use order::domain::{Birth, Item, NewOrder, Op};
use order::store::{MIGRATIONS, MemoryStore, SqlStore, Store};
use platform::db::{Database, DatabaseOptions, DatabaseUrl};
use tokio::runtime::Runtime;
use types::{BookId, Fen, OrderId, OrderNo, Quantity, UnixMillis, UserId};

const BATCHES: [u64; 3] = [1, 64, 512];

fn main() {
    divan::main();
}

#[divan::bench(args = BATCHES, sample_size = 10)]
fn model(bencher: Bencher<'_, '_>, len: u64) {
    create(bencher, &runtime(), &MemoryStore::new(), len);
}

#[divan::bench(args = BATCHES, sample_size = 1, max_time = 5)]
fn sqlite(bencher: Bencher<'_, '_>, len: u64) {
    let folder = testkit::temp_dir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("order.db"));
    create_in(bencher, &url, len);
}

#[divan::bench(args = BATCHES, sample_size = 1, max_time = 5)]
fn mariadb(bencher: Bencher<'_, '_>, len: u64) {
    let url = runtime().block_on(async {
        let server = testkit::servers::mysql().await.unwrap()?;
        Some(server.new_database().await.unwrap())
    });
    if let Some(url) = url {
        create_in(bencher, &url, len);
    }
}

fn create_in(bencher: Bencher<'_, '_>, url: &DatabaseUrl, len: u64) {
    let runtime = runtime();
    let opened = Database::open(url, MIGRATIONS, DatabaseOptions::default());
    let store = SqlStore::new(runtime.block_on(opened).unwrap());
    create(bencher, &runtime, &store, len);
    runtime.block_on(store.close());
}

fn create(bencher: Bencher<'_, '_>, runtime: &Runtime, store: &dyn Store, len: u64) {
    let ids = AtomicU64::new(1);
    bencher
        .counter(ItemsCount::new(len))
        .with_inputs(|| {
            let first = ids.fetch_add(len, Ordering::Relaxed);
            let inserts: Vec<_> = (first..first + len).map(insert).collect();
            let confirms: Vec<_> = (first..first + len).map(confirm).collect();
            (inserts, confirms)
        })
        .bench_values(|(inserts, confirms)| {
            runtime.block_on(store.apply(inserts.into())).unwrap();
            runtime.block_on(store.apply(confirms.into())).unwrap()
        });
}

/// An order of two books.
fn insert(id: u64) -> Op {
    let item = |book| Item {
        book_id: BookId::new(book).unwrap(),
        book_title: "分布式系统原理".to_owned(),
        quantity: Quantity::new(1).unwrap(),
        price: Fen::stored(4_900),
    };
    Op::Insert(Box::new(NewOrder {
        id: OrderId::new(id).unwrap(),
        order_no: OrderNo::generate(UnixMillis::new(0), id),
        user_id: UserId::new(id % 1_000 + 1).unwrap(),
        total: Fen::stored(9_800),
        items: [item(1), item(2)].into(),
        request: None,
        at: UnixMillis::new(0),
        birth: Birth::Creating {
            lease_until: UnixMillis::new(10_000),
        },
        may_be_there: false,
    }))
}

fn confirm(id: u64) -> Op {
    Op::Confirm {
        id: OrderId::new(id).unwrap(),
        at: UnixMillis::new(1),
        expire_at: UnixMillis::new(900_000),
    }
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}
