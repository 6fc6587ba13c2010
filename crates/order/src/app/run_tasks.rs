//! Carrying out what transitions asked for: releases, commits, refunds.
//!
//! A task is run at once by whoever recorded it, and by any replica's poller once its lease has run
//! out. Its effect is idempotent by key, so it may be attempted any number of times; it is retried
//! until it is done. Only refusals in a row, which a retry cannot fix, park it.

use std::sync::Arc;

use futures::future::join_all;
use platform::clock::SharedClock;
use platform::context::CallContext;
use platform::deadline::Deadline;
use platform::tasks::Tasks;
use tokio::sync::Semaphore;

use super::{App, BACKGROUND_LIMIT};
use crate::Parts;
use crate::clients::{CALL_LIMIT, Effect, InventoryClient, PaymentClient};
use crate::config::Timing;
use crate::domain::{Task, TaskKind, TaskStep, retry_wait};
use crate::store::Writer;

/// How many tasks inventory and payment each carry out at once: if one of them hangs, it must not
/// hold up the tasks of the other.
const RUNNING_MAX: usize = 64;

/// Runs tasks. A cheap handle.
#[derive(Clone)]
pub(crate) struct TaskRunner {
    writer: Writer,
    inventory: Arc<dyn InventoryClient>,
    payment: Arc<dyn PaymentClient>,
    clock: SharedClock,
    tasks: Tasks,
    timing: Timing,
    of_inventory: Arc<Semaphore>,
    of_payment: Arc<Semaphore>,
}

impl TaskRunner {
    pub(super) fn new(parts: &Parts, writer: Writer, clock: &SharedClock, tasks: &Tasks) -> Self {
        Self {
            writer,
            inventory: Arc::clone(&parts.inventory),
            payment: Arc::clone(&parts.payment),
            clock: Arc::clone(clock),
            tasks: tasks.clone(),
            timing: parts.timing,
            of_inventory: Arc::new(Semaphore::new(RUNNING_MAX)),
            of_payment: Arc::new(Semaphore::new(RUNNING_MAX)),
        }
    }

    /// The permits of the service that carries out tasks of this kind.
    const fn permits(&self, kind: TaskKind) -> &Arc<Semaphore> {
        match kind {
            TaskKind::Release | TaskKind::Commit => &self.of_inventory,
            TaskKind::Refund => &self.of_payment,
        }
    }

    /// Starts tasks that this replica holds; the future ends when each had its first attempt.
    /// Dropping it stops nothing.
    pub(super) fn run_now(&self, tasks: Vec<Task>) -> impl Future<Output = ()> + Send + use<> {
        let runner = self.clone();
        let running = (!tasks.is_empty()).then(|| {
            self.tasks.run("run_tasks", async move {
                join_all(tasks.iter().map(|task| runner.run(task))).await;
            })
        });
        async move {
            // A panic is logged where it happened; the poller takes the tasks over.
            if let Some(running) = running {
                drop(running.await);
            }
        }
    }

    #[tracing::instrument(skip_all, fields(task = task.key.kind.name(), order.id = task.key.order_id.get()))]
    async fn run(&self, task: &Task) {
        let Ok(_permit) = self.permits(task.key.kind).acquire().await else {
            return;
        };
        // The wait for a permit may have outlasted the lease: then the task is another's.
        if task.due_at <= self.clock.now() {
            return;
        }
        let effect = self.carry_out(task).await;
        let (result, step) = self.judge(task, effect);
        let labels = [("kind", task.key.kind.name()), ("result", result)];
        metrics::counter!("bookstore_order_task_runs_total", &labels).increment(1);
        let deadline = Deadline::after(BACKGROUND_LIMIT);
        match self.writer.move_task(task.key, step, deadline).await {
            Ok(Some(after)) if after.parked => {
                tracing::error!(error = ?after.last_error, "a task is parked for a person to look at");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a task's result was not written; it runs again"),
        }
    }

    async fn carry_out(&self, task: &Task) -> Effect {
        let context = CallContext::background(task.key.kind.name(), CALL_LIMIT);
        match (task.key.kind, &task.order_no) {
            (TaskKind::Release, Some(order_no)) => self.inventory.release(&context, order_no).await,
            (TaskKind::Commit, Some(order_no)) => self.inventory.commit(&context, order_no).await,
            (TaskKind::Refund, _) => self.payment.refund(&context, task.key.order_id).await,
            (TaskKind::Release | TaskKind::Commit, None) => {
                Effect::Refused("the task names no order".to_owned())
            }
        }
    }

    fn judge(&self, task: &Task, effect: Effect) -> (&'static str, TaskStep) {
        let failed = |refused, error| TaskStep::Fail {
            held_until: task.due_at,
            due_at: self
                .clock
                .now()
                .plus(retry_wait(task.key, task.attempts.saturating_add(1))),
            refused,
            error,
        };
        match effect {
            Effect::Done => ("done", TaskStep::Done),
            Effect::Refused(reason) => ("refused", failed(true, reason)),
            Effect::Unknown(unanswered) => ("unknown", failed(false, unanswered.to_string())),
        }
    }

    /// Claims a due task; `None` where that failed, or somebody else was quicker.
    async fn claim(&self, task: &Task) -> Option<Task> {
        let until = self.clock.now().plus(self.timing.task_lease);
        let claim = TaskStep::Claim {
            seen_due_at: task.due_at,
            until,
        };
        let deadline = Deadline::after(BACKGROUND_LIMIT);
        match self.writer.move_task(task.key, claim, deadline).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "a due task was not claimed");
                None
            }
        }
    }
}

impl App {
    /// One round of the poller of inventory's tasks.
    pub(crate) async fn run_tasks_of_inventory(&self) {
        self.run_due_tasks(&TaskKind::OF_INVENTORY, &self.runner.of_inventory)
            .await;
    }

    /// One round of the poller of payment's tasks.
    pub(crate) async fn run_tasks_of_payment(&self) {
        self.run_due_tasks(&TaskKind::OF_PAYMENT, &self.runner.of_payment)
            .await;
    }

    /// Claims due tasks, as many as there are permits, and runs them.
    async fn run_due_tasks(&self, kinds: &'static [TaskKind], hands: &Semaphore) {
        loop {
            let hands = u32::try_from(hands.available_permits()).unwrap_or(0);
            let due = match self.store.due_tasks(kinds, self.clock.now(), hands).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(%error, "due tasks could not be read");
                    return;
                }
            };
            let claimed = join_all(due.iter().map(|task| self.runner.claim(task))).await;
            let claimed: Vec<_> = claimed.into_iter().flatten().collect();
            let took_all = due.len() < usize::try_from(hands).unwrap_or(usize::MAX);
            if claimed.is_empty() {
                return;
            }
            self.runner.run_now(claimed).await;
            if took_all || self.tasks.stopping().is_cancelled() {
                return;
            }
        }
    }
}
