//! What it costs to begin payments and to settle them, in two batches with the gateway's word between: by the
//! rules alone (the model), on SQLite, and on MariaDB where it is installed.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use payment::domain::{BeginPay, ChargeResult, Method, Op, SettleCharge, ThirdPartyNo};
use payment::store::{MemoryStore, SqlStore, Store};
use platform::db::DatabaseUrl;
use tokio::runtime::Runtime;
use types::{Fen, OrderId, PaymentNo, UnixMillis};

const BATCHES: [u64; 3] = [1, 64, 512];

fn main() {
    divan::main();
}

#[divan::bench(args = BATCHES, sample_size = 10)]
fn model(bencher: Bencher<'_, '_>, len: u64) {
    pay(bencher, &runtime(), &*MemoryStore::new(), len);
}

#[divan::bench(args = BATCHES, sample_size = 1, max_time = 5)]
fn sqlite(bencher: Bencher<'_, '_>, len: u64) {
    let folder = testkit::temp_dir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("payment.db"));
    pay_in(bencher, &url, len);
}

#[divan::bench(args = BATCHES, sample_size = 1, max_time = 5)]
fn mariadb(bencher: Bencher<'_, '_>, len: u64) {
    let url = runtime().block_on(async {
        let server = testkit::servers::mysql().await.unwrap()?;
        Some(server.new_database().await.unwrap())
    });
    if let Some(url) = url {
        pay_in(bencher, &url, len);
    }
}

fn pay_in(bencher: Bencher<'_, '_>, url: &DatabaseUrl, len: u64) {
    let runtime = runtime();
    let store = runtime.block_on(SqlStore::open(url, true)).unwrap();
    pay(bencher, &runtime, &store, len);
    runtime.block_on(store.close());
}

fn pay(bencher: Bencher<'_, '_>, runtime: &Runtime, store: &dyn Store, len: u64) {
    let ids = AtomicU64::new(1);
    bencher
        .counter(ItemsCount::new(len))
        .with_inputs(|| {
            let first = ids.fetch_add(len, Ordering::Relaxed);
            let begins: Vec<_> = (first..first + len).map(begin).collect();
            let settles: Vec<_> = (first..first + len).map(settle).collect();
            (begins, settles)
        })
        .bench_values(|(begins, settles)| {
            runtime.block_on(store.apply(begins.into())).unwrap();
            runtime.block_on(store.apply(settles.into())).unwrap()
        });
}

fn begin(id: u64) -> Op {
    Op::BeginPay(BeginPay {
        order_id: OrderId::new(id).unwrap(),
        amount: Fen::stored(9_800),
        method: Method::parse("mock").unwrap(),
        id,
        payment_no: number(id),
        now: UnixMillis::new(0),
        check_at: UnixMillis::new(5_000),
    })
}

fn settle(id: u64) -> Op {
    Op::SettleCharge(SettleCharge {
        order_id: OrderId::new(id).unwrap(),
        payment_no: number(id),
        result: ChargeResult::Charged {
            third_party_no: ThirdPartyNo::mock(&number(id)),
        },
        now: UnixMillis::new(1),
    })
}

fn number(id: u64) -> PaymentNo {
    PaymentNo::generate(UnixMillis::new(0), id)
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}
