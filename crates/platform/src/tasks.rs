//! Work that no caller can cancel.
//!
//! tonic drops a handler when its caller hangs up or its deadline passes, at whatever await it has
//! reached. So sagas and workers run here: a handler only waits for them, and a drain waits too.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::clock;
use crate::error::{Class, Classify};

/// The tasks of one service.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    draining: CancellationToken,
    stopping: CancellationToken,
}

/// A task did not finish: it panicked, or the runtime shut down.
#[derive(Debug, thiserror::Error)]
#[error("task {name} ended without a result")]
pub struct TaskError {
    name: &'static str,
}

impl TaskError {
    pub(crate) const fn of(name: &'static str) -> Self {
        Self { name }
    }
}

impl Classify for TaskError {
    fn class(&self) -> Class {
        Class::OutcomeUnknown { late: false }
    }
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `work` under the current span; nobody waits for its result.
    pub fn spawn<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.run(name, work);
        drop(task);
    }

    /// Starts `work` at once; the future returns its result, and dropping it does not stop the work.
    pub fn run<F>(
        &self,
        name: &'static str,
        work: F,
    ) -> impl Future<Output = Result<F::Output, TaskError>> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = self.tracker.spawn(work.in_current_span());
        async move { handle.await.map_err(|error| died(name, &error)) }
    }

    /// Starts `work`, which keeps a processor busy for long, on a blocking thread, where it holds no call up.
    pub fn run_apart<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, TaskError>> + Send {
        let handle = self.tracker.spawn_blocking(work);
        async move { handle.await.map_err(|error| died(name, &error)) }
    }

    /// Starts a worker: does one round, waits `every`, and so on until the service stops.
    pub fn repeat<W, F>(&self, name: &'static str, every: Duration, mut round: W)
    where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let stopping = self.stopping();
        self.spawn(name, async move {
            // A round is never cut short: only the wait between two is.
            while !stopping.is_cancelled() {
                // A worker that is gone would be missed by nobody, while the service says that it is healthy.
                let ended = AssertUnwindSafe(round()).catch_unwind().await;
                if ended.is_err() {
                    metrics::counter!("bookstore_internal_errors_total").increment(1);
                    tracing::error!(task = name, "a round panicked; the next one is tried");
                }
                stopping.run_until_cancelled(clock::pause(every)).await;
            }
        });
    }

    /// Fires when the service stops taking calls: endless streams end now.
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Fires when the drain is over: workers end now.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Signals that no new calls come.
    pub fn begin_drain(&self) {
        self.draining.cancel();
    }

    /// Ends the workers and waits for what still runs, `limit` at most; `false` where some did not end.
    pub async fn stop(&self, limit: Duration) -> bool {
        self.draining.cancel();
        self.stopping.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait())
            .await
            .is_ok()
    }
}

fn died(name: &'static str, error: &JoinError) -> TaskError {
    tracing::error!(task = name, %error, "a task died");
    TaskError { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_outlives_the_caller_that_waited_for_it() {
        let tasks = Tasks::new();
        let (gate, gated) = tokio::sync::oneshot::channel::<()>();
        let (done, result) = tokio::sync::oneshot::channel();
        let waiting = tasks.run("work", async move {
            gated.await.unwrap();
            done.send(7).unwrap();
        });
        drop(waiting);
        gate.send(()).unwrap();
        assert_eq!(result.await, Ok(7));
        assert!(tasks.stop(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_worker_outlives_a_round_that_panics() {
        let tasks = Tasks::new();
        let (done, mut rounds) = tokio::sync::mpsc::unbounded_channel();
        let mut count = 0;
        tasks.repeat("worker", Duration::ZERO, move || {
            count += 1;
            let (done, count) = (done.clone(), count);
            async move {
                assert_ne!(count, 1, "on purpose");
                done.send(count).unwrap_or_default();
            }
        });
        assert_eq!(rounds.recv().await, Some(2));
        assert!(tasks.stop(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_panic_is_a_result_like_any_other() {
        let tasks = Tasks::new();
        let result = tasks.run("bad", async { panic!("on purpose") }).await;
        let apart = tasks.run_apart("bad", || panic!("on purpose")).await;
        for result in [result, apart] {
            assert_eq!(
                result.unwrap_err().to_string(),
                "task bad ended without a result"
            );
        }
        assert_eq!(tasks.run_apart("good", || 7).await.unwrap(), 7);
    }
}
