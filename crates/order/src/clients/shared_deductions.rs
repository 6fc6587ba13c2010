//! Request coalescing: deductions of orders that are made at the same moment share a call.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use api::inventory::v1::inventory_service_client::InventoryServiceClient;
use api::inventory::v1::{
    BatchDeductStockRequest, BatchDeductStockResponse, DeductBatchesRequest, StockBatch,
};
use futures::future::join_all;
use platform::coalescer::gather;
use platform::context::CallContext;
use platform::deadline::Deadline;
use platform::net::{CallError, Transport, call};
use tokio::sync::oneshot;

use super::CALL_LIMIT;

/// The most batches that one call may carry.
const BATCHES_MAX: usize = 128;

type Reply = Result<BatchDeductStockResponse, CallError>;

/// The batches that wait for a call. The first to wait (the leader) makes the call for all that
/// join (the followers). A batch that is alone goes by `BatchDeductStock`, and so does each where
/// inventory refuses the shared call or does not know it.
///
/// A call without an answer leaves all of its batches in doubt. So a batch joins only if its
/// deadline is at least as far away as the longest that a call may take: none is in doubt because
/// of another's deadline.
#[derive(Debug, Default)]
pub(super) struct SharedDeductions {
    waiting: Mutex<Vec<Entry>>,
}

/// The leader's own batch, or a follower's.
#[derive(Debug)]
struct Entry {
    batch: StockBatch,
    answer: oneshot::Sender<Reply>,
}

impl SharedDeductions {
    /// Deducts `batch`; returns what inventory answers.
    pub(super) async fn deduct(
        &self,
        client: &InventoryServiceClient<Transport>,
        context: &CallContext,
        batch: StockBatch,
    ) -> Reply {
        // Taken before others join: each of them has at least as long.
        let call_ends = Deadline::after(CALL_LIMIT);
        if context.deadline < call_ends {
            return deduct_alone(client, context, batch).await;
        }
        let (answer, reply) = oneshot::channel();
        if let Some(leader) = self.join(Entry { batch, answer }) {
            gather(|| self.lock().len()).await;
            let mut entries = leader.take_all();
            let context = CallContext {
                deadline: call_ends,
                ..context.clone()
            };
            let mut calls = Vec::new();
            while !entries.is_empty() {
                let rest = entries.split_off(entries.len().min(BATCHES_MAX));
                let group = mem::replace(&mut entries, rest);
                calls.push(answer_all(client, &context, group));
            }
            join_all(calls).await;
        }
        // The channel closes where the leader was dropped: the batch may have been deducted.
        reply.await.unwrap_or_else(|_| Err(no_reply()))
    }

    /// Joins those that wait; whoever finds nobody waiting is the leader.
    fn join(&self, entry: Entry) -> Option<Leader<'_>> {
        let mut waiting = self.lock();
        waiting.push(entry);
        (waiting.len() == 1).then(|| Leader(self))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever makes the call for all that wait. Dropped before that, it closes their channels: nobody waits in vain.
struct Leader<'c>(&'c SharedDeductions);

impl Leader<'_> {
    /// Takes all that wait now. Whoever comes later has another leader.
    fn take_all(self) -> Vec<Entry> {
        let entries = mem::take(&mut *self.0.lock());
        mem::forget(self);
        entries
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.0.lock().clear();
    }
}

/// Deducts the batches of `entries` and answers each.
async fn answer_all(
    client: &InventoryServiceClient<Transport>,
    context: &CallContext,
    entries: Vec<Entry>,
) {
    let (batches, answers): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .map(|entry| (entry.batch, entry.answer))
        .unzip();
    let replies = deduct_all(client, context, batches).await;
    for (answer, reply) in answers.into_iter().zip(replies) {
        // A caller that went away needs no reply.
        drop(answer.send(reply));
    }
}

/// A reply to each of `batches`, in their order.
async fn deduct_all(
    client: &InventoryServiceClient<Transport>,
    context: &CallContext,
    batches: Vec<StockBatch>,
) -> Vec<Reply> {
    let len = batches.len();
    if len > 1 {
        match deduct_together(client, context, batches.clone()).await {
            Ok(replies) if replies.len() == len => return replies.into_iter().map(Ok).collect(),
            Ok(_) => return vec![Err(no_reply()); len],
            Err(error @ CallError::Unknown { .. }) => return vec![Err(error); len],
            // A rejected call carried out nothing: each batch goes alone.
            Err(CallError::Rejected(_)) => {}
        }
    }
    let alone = batches.into_iter();
    join_all(alone.map(|batch| deduct_alone(client, context, batch))).await
}

async fn deduct_together(
    client: &InventoryServiceClient<Transport>,
    context: &CallContext,
    batches: Vec<StockBatch>,
) -> Result<Vec<BatchDeductStockResponse>, CallError> {
    let mut client = client.clone();
    let message = DeductBatchesRequest { batches };
    let reply = call(context, CALL_LIMIT, message, |request| async move {
        client.deduct_batches(request).await
    });
    reply.await.map(|reply| reply.replies)
}

async fn deduct_alone(
    client: &InventoryServiceClient<Transport>,
    context: &CallContext,
    batch: StockBatch,
) -> Reply {
    let mut client = client.clone();
    let message = BatchDeductStockRequest::from(batch);
    call(context, CALL_LIMIT, message, |request| async move {
        client.batch_deduct_stock(request).await
    })
    .await
}

fn no_reply() -> CallError {
    CallError::Unknown {
        reason: "an answer that is none to each batch".to_owned(),
        late: false,
    }
}
