use std::ops::Range;

use async_trait::async_trait;
use payment::domain::{Event, Op, Outcome, Record};
use payment::store::{Measures, MemoryStore, Store};
use platform::combiner::Batch;
use platform::db::DbError;
use platform::ids::IdSource;
use types::{OrderId, UnixMillis};

use super::Disk;
use crate::laws;

/// The payments' database, as one process reaches it.
pub(crate) struct PaymentDisk(pub(crate) Disk);

impl PaymentDisk {
    fn store(&self) -> &MemoryStore {
        &self.0.world.stores.payment
    }
}

#[async_trait]
impl IdSource for PaymentDisk {
    async fn reserve(&self, count: u64) -> Result<Range<u64>, DbError> {
        let reserve = self.store().reserve(count);
        self.0.write("payment serials", reserve).await
    }
}

#[async_trait]
impl Store for PaymentDisk {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let what = name_ops(&batch);
        let commit = async {
            let outcomes = self.store().apply(batch.clone()).await?;
            laws::after_payments_moved(&self.0.world, &batch);
            Ok(outcomes)
        };
        self.0.write(&what, commit).await
    }

    async fn find_records(&self, orders: &[OrderId]) -> Result<Vec<Record>, DbError> {
        self.0.read(self.store().find_records(orders)).await
    }

    async fn list_due(&self, now: UnixMillis, limit: u32) -> Result<Vec<Record>, DbError> {
        self.0.read(self.store().list_due(now, limit)).await
    }

    async fn list_events(&self, after: u64, limit: u32) -> Result<Vec<Event>, DbError> {
        self.0.read(self.store().list_events(after, limit)).await
    }

    async fn measure(&self) -> Result<Measures, DbError> {
        self.0.read(self.store().measure()).await
    }

    async fn close(&self) {}
}

/// What a batch is about, for the story.
fn name_ops(batch: &[Op]) -> String {
    let name = |op: &Op| match op {
        Op::BeginPay(op) => format!("begin {} of order {}", op.payment_no, op.order_id),
        Op::SettleCharge(op) => format!("settle {}: {:?}", op.payment_no, op.result),
        Op::BeginRefund(op) => format!("begin refund of order {}", op.order_id),
        Op::SettleRefund(op) => format!("settle refund {}: {:?}", op.payment_no, op.result),
        Op::Reschedule(op) => format!("reschedule {}", op.payment_no),
    };
    let names: Vec<String> = batch.iter().map(name).collect();
    names.join(", ")
}
