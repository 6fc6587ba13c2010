//! Flat combining over the network: one transaction for all waiting callers.
//!
//! One transaction per request costs one commit per request: an fsync, round trips, a wait for the lock of a
//! hot row. Here requests put their operation into a bounded queue and wait; one writer drains the queue,
//! applies the batch in one transaction, and answers every caller. No batch waits to fill up: under light
//! load a batch is one operation, under heavy load batches grow by themselves. A short batch first yields to
//! the tasks that are ready to run, so that callers about to submit join it. After Hendler, Incze, Shavit and
//! Tzafrir, "Flat combining and the synchronization-parallelism tradeoff" (SPAA 2010), with a database in
//! place of the data structure.
//!
//! A writer whose commit waits for a disk can pass its [`Turn`] on: the next batch is then decided and sent
//! meanwhile, as in a database's group commit. Batches are answered in the order in which they began.
//!
//! What a caller can rely on:
//! - a full queue refuses at once, before any work ([`WriteError::Overloaded`]);
//! - an operation whose deadline has passed is dropped before it is applied ([`WriteError::TooLate`]);
//! - one operation's fault never fails its neighbours: a batch that the database rejects for good is split,
//!   and each operation is tried alone (but a panic may leave its whole batch in doubt);
//! - the writer is a task of its own: an operation whose caller is cancelled takes effect as a whole, or not
//!   at all.

use std::iter;
use std::ops::{Deref, Range};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::coalescer::gather;
use crate::crash;
use crate::db::DbError;
use crate::deadline::Deadline;
use crate::error::{Class, Classify};
use crate::turn::Turn;

/// From this length on a batch is worth its commit: the writer gathers no more, and callers that were just
/// answered submit again while it writes.
const BATCH_LEN_ENOUGH: usize = 12;

/// How many batches may be in flight at once: the newest, and those before it, which are at their commit.
/// Each needs a connection.
const BATCHES_AT_ONCE: usize = 6;

/// Operations that one transaction applies: a cheap handle on a slice.
#[derive(Debug)]
pub struct Batch<Op> {
    ops: Arc<[Op]>,
    range: Range<usize>,
    turn: Turn,
}

impl<Op> Clone for Batch<Op> {
    fn clone(&self) -> Self {
        Self {
            ops: Arc::clone(&self.ops),
            range: self.range.clone(),
            turn: self.turn.clone(),
        }
    }
}

impl<Op> From<Vec<Op>> for Batch<Op> {
    fn from(ops: Vec<Op>) -> Self {
        Self {
            range: 0..ops.len(),
            ops: ops.into(),
            turn: Turn::default(),
        }
    }
}

impl<Op> Deref for Batch<Op> {
    type Target = [Op];

    fn deref(&self) -> &[Op] {
        self.ops.get(self.range.clone()).unwrap_or_default()
    }
}

impl<Op> Batch<Op> {
    /// The turn of this batch: the next batch begins when it is passed on, or else when this batch has ended.
    pub const fn turn(&self) -> &Turn {
        &self.turn
    }

    /// The operations one by one, each as a batch of its own that cannot pass this batch's turn on.
    fn singles(&self) -> impl Iterator<Item = Self> {
        self.range.clone().map(|at| Self {
            ops: Arc::clone(&self.ops),
            range: at..at + 1,
            turn: Turn::default(),
        })
    }
}

/// Applies batches of operations, each in one transaction.
#[async_trait]
pub trait BatchWriter: Send + Sync + 'static {
    /// One caller's operation. Idempotent, or refused by its own rules when it comes twice.
    type Op: Send + Sync + 'static;
    /// The answer to one caller, refusals included.
    type Out: Send + 'static;

    /// The kind of operation, such as `order.cancel`: names its crash points.
    fn name(op: &Self::Op) -> &'static str;

    /// Applies the whole batch in one transaction; returns one output per operation, in the same order.
    ///
    /// # Errors
    /// Every error but [`DbError::OutcomeUnknown`] means that nothing of the batch was applied.
    async fn write(&self, batch: Batch<Self::Op>) -> Result<Vec<Self::Out>, DbError>;
}

/// The bounds of a combiner.
#[derive(Debug, Clone, Copy)]
pub struct CombinerLimits {
    /// How many operations may wait; one more is refused.
    pub queue_len_max: usize,
    /// How many operations one transaction applies at most.
    pub batch_len_max: usize,
}

impl Default for CombinerLimits {
    fn default() -> Self {
        Self {
            queue_len_max: 8192,
            batch_len_max: 512,
        }
    }
}

/// Why an operation was not applied, or may not have been.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The queue was full; nothing happened.
    #[error("too many writes are waiting")]
    Overloaded,
    /// The caller's deadline passed before the operation's turn came; nothing happened.
    #[error("the deadline passed before the write began")]
    TooLate,
    /// The service is stopping; nothing happened.
    #[error("the service is stopping")]
    Stopped,
    /// The database failed; its own error says whether anything may have happened.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Classify for WriteError {
    fn class(&self) -> Class {
        match self {
            Self::Overloaded | Self::Stopped => Class::Unavailable,
            Self::TooLate => Class::TooLate,
            Self::Db(error) => error.class(),
        }
    }
}

struct Entry<Op, Out> {
    op: Op,
    deadline: Deadline,
    answer: oneshot::Sender<Result<Out, WriteError>>,
}

/// The queue in front of one writer.
pub struct Combiner<Op, Out> {
    name: &'static str,
    queue: mpsc::Sender<Entry<Op, Out>>,
    closing: CancellationToken,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl<Op, Out> Clone for Combiner<Op, Out> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            queue: self.queue.clone(),
            closing: self.closing.clone(),
            writer: Arc::clone(&self.writer),
        }
    }
}

impl<Op: Send + Sync + 'static, Out: Send + 'static> Combiner<Op, Out> {
    /// Starts the writer task. `name` labels its metrics.
    #[expect(
        clippy::disallowed_methods,
        reason = "the writer outlives the tasks that feed it"
    )]
    pub fn start(
        name: &'static str,
        writer: impl BatchWriter<Op = Op, Out = Out>,
        limits: CombinerLimits,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(limits.queue_len_max);
        let closing = CancellationToken::new();
        let drain = Drain {
            writing: Writing { name, writer },
            waiting,
            batch_len_max: limits.batch_len_max,
        };
        let task = tokio::spawn(drain.run(closing.clone()));
        Self {
            name,
            queue,
            closing,
            writer: Arc::new(Mutex::new(Some(task))),
        }
    }

    /// Hands `op` to the writer and waits for its outcome.
    ///
    /// Dropping this future does not withdraw the operation.
    pub async fn submit(&self, op: Op, deadline: Deadline) -> Result<Out, WriteError> {
        if self.closing.is_cancelled() {
            return Err(WriteError::Stopped);
        }
        let (answer, outcome) = oneshot::channel();
        self.queue
            .try_send(Entry {
                op,
                deadline,
                answer,
            })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    metrics::counter!("bookstore_combiner_refused_total", "combiner" => self.name)
                        .increment(1);
                    WriteError::Overloaded
                }
                mpsc::error::TrySendError::Closed(_) => WriteError::Stopped,
            })?;
        // The writer answers all that it takes; a closed channel means that it died in the middle of a batch.
        let silent = || DbError::OutcomeUnknown(format!("the writer of {} died", self.name));
        outcome.await.unwrap_or_else(|_| Err(silent().into()))
    }

    /// Refuses new operations, applies those that wait, and ends the writer.
    pub async fn close(&self) {
        self.closing.cancel();
        let task = self.writer.lock().await.take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(combiner = self.name, %error, "the writer died");
        }
    }
}

/// The writer's side of the queue.
struct Drain<W: BatchWriter> {
    writing: Writing<W>,
    waiting: mpsc::Receiver<Entry<W::Op, W::Out>>,
    batch_len_max: usize,
}

impl<W: BatchWriter> Drain<W> {
    async fn run(mut self, closing: CancellationToken) {
        let batch_len =
            metrics::histogram!("bookstore_combiner_batch_len", "combiner" => self.writing.name);
        let queue_len =
            metrics::gauge!("bookstore_combiner_queue_len", "combiner" => self.writing.name);
        // Polled here rather than in tasks of their own: what they wait for runs elsewhere. Answered in
        // order: a batch that wrote nothing may have read what is not yet durable.
        let mut on_their_way = FuturesOrdered::new();
        let mut last_turn = Turn::default();
        last_turn.pass();
        let mut entries = Vec::with_capacity(self.batch_len_max);
        loop {
            let is_passed = last_turn.is_passed();
            let may_begin = is_passed && on_their_way.len() < BATCHES_AT_ONCE;
            tokio::select! {
                biased;
                Some(outcomes) = on_their_way.next() => {
                    tell_all(outcomes);
                    continue;
                }
                () = last_turn.passed(), if !is_passed => continue,
                taken = self.waiting.recv_many(&mut entries, self.batch_len_max), if may_begin => {
                    if taken == 0 {
                        break;
                    }
                }
                () = closing.cancelled(), if !self.waiting.is_closed() => {
                    // What is in the queue by now is still applied; then `recv_many` returns 0.
                    self.waiting.close();
                    continue;
                }
            }
            if entries.len() < BATCH_LEN_ENOUGH {
                take_along(&mut self.waiting, &mut entries, self.batch_len_max).await;
            }
            queue_len.set(as_metric(entries.len().saturating_add(self.waiting.len())));
            batch_len.record(as_metric(entries.len()));
            let (ops, answers) = drop_late(std::mem::take(&mut entries));
            if !ops.is_empty() {
                let batch = Batch::from(ops);
                last_turn = batch.turn().clone();
                on_their_way.push_back(self.writing.apply(batch, answers));
            }
            queue_len.set(as_metric(self.waiting.len()));
        }
        while let Some(outcomes) = on_their_way.next().await {
            tell_all(outcomes);
        }
    }
}

/// Adds the operations of callers that are about to submit: callers answered together come back together, and
/// the first should not get a batch to itself.
async fn take_along<E>(waiting: &mut mpsc::Receiver<E>, entries: &mut Vec<E>, len_max: usize) {
    gather(|| {
        while entries.len() < len_max
            && let Ok(entry) = waiting.try_recv()
        {
            entries.push(entry);
        }
        entries.len()
    })
    .await;
}

/// What all batches in flight share.
struct Writing<W> {
    name: &'static str,
    writer: W,
}

impl<W: BatchWriter> Writing<W> {
    /// Applies one batch; returns the outcome for each of its callers.
    async fn apply(
        &self,
        batch: Batch<W::Op>,
        answers: Vec<Answer<W::Out>>,
    ) -> Vec<(Answer<W::Out>, Outcome<W::Out>)> {
        let outcomes = match self.write(batch.clone()).await {
            Ok(outs) => outs.into_iter().map(Ok).collect(),
            Err(error) if batch.len() > 1 && is_one_operations_fault(&error) => {
                tracing::warn!(combiner = self.name, %error, len = batch.len(), "a batch is taken apart");
                let mut outcomes = Vec::with_capacity(batch.len());
                for single in batch.singles() {
                    let outcome = self.write(single).await.map(|mut outs| outs.pop());
                    let outcome = outcome.and_then(|out| out.ok_or_else(short));
                    outcomes.push(outcome.map_err(WriteError::from));
                }
                outcomes
            }
            Err(error) => {
                let refused = || Err(error.clone().into());
                iter::repeat_with(refused).take(batch.len()).collect()
            }
        };
        batch.turn().pass();
        answers.into_iter().zip(outcomes).collect()
    }

    /// Writes one batch; a panic or a wrong number of outputs becomes an error, so that all callers are answered.
    async fn write(&self, batch: Batch<W::Op>) -> Result<Vec<W::Out>, DbError> {
        let len = batch.len();
        let writing = self.writer.write(batch.clone());
        let writing = crash::within(batch.iter().map(W::name), writing);
        // A panic must not end the writer: nobody would be answered again, while the service reports itself healthy.
        let outs = AssertUnwindSafe(writing).catch_unwind().await;
        let outs = outs.unwrap_or_else(|_| Err(panicked(self.name)))?;
        if outs.len() == len {
            Ok(outs)
        } else {
            Err(short())
        }
    }
}

/// Whether smaller batches may succeed: the database was reachable, and rejected the batch.
fn is_one_operations_fault(error: &DbError) -> bool {
    match error {
        DbError::Duplicate { .. } | DbError::Corrupt(_) | DbError::Broken(_) => true,
        DbError::Contention(_) | DbError::Unavailable(_) | DbError::OutcomeUnknown(_) => false,
    }
}

/// A writer that returns fewer outputs than it took operations has committed them all the same.
fn short() -> DbError {
    DbError::OutcomeUnknown("a batch answered fewer outputs than operations".to_owned())
}

fn tell<Out>(answer: Answer<Out>, outcome: Outcome<Out>) {
    // Fails only if the caller was cancelled.
    drop(answer.send(outcome));
}

fn tell_all<Out>(outcomes: Vec<(Answer<Out>, Outcome<Out>)>) {
    for (answer, outcome) in outcomes {
        tell(answer, outcome);
    }
}

/// The outcome is unknown: what was sent before the panic may have been committed.
fn panicked(combiner: &'static str) -> DbError {
    tracing::error!(combiner, "a batch panicked");
    DbError::OutcomeUnknown("the writer panicked".to_owned())
}

/// A length as a metric's value.
fn as_metric(len: usize) -> f64 {
    f64::from(u32::try_from(len).unwrap_or(u32::MAX))
}

type Outcome<Out> = Result<Out, WriteError>;
type Answer<Out> = oneshot::Sender<Outcome<Out>>;

fn drop_late<Op, Out>(entries: Vec<Entry<Op, Out>>) -> (Vec<Op>, Vec<Answer<Out>>) {
    let mut ops = Vec::with_capacity(entries.len());
    let mut answers = Vec::with_capacity(entries.len());
    for entry in entries {
        if entry.deadline.has_passed() {
            tell(entry.answer, Err(WriteError::TooLate));
        } else {
            ops.push(entry.op);
            answers.push(entry.answer);
        }
    }
    (ops, answers)
}

#[cfg(test)]
mod tests;
