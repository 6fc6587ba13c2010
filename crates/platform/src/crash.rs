//! Crash points: named moments at which a test has the process killed.
//!
//! Only the cargo feature `crash-points` puts anything behind them; without it every function in here
//! is empty and the compiler leaves nothing of it. With it, two variables steer the process:
//!
//! - `BOOKSTORE_TEST_CRASH=NAME` or `NAME:N` kills it when it passes `NAME` for the first or the
//!   Nth time, as `kill -9` does: no drain, no rollback, no goodbye;
//! - `BOOKSTORE_TEST_CRASH_LOG=FILE` appends the name of every point that it passes.
//!
//! Points are generic, so a new step gets its own automatically: every unit of work of a database
//! before and after its commit, by its own name and by those of the operations that a combiner put
//! into it (`Unit`); every call to another service or to a gateway, and most to the delay queue,
//! before and after ([`around`]). Why: `docs/adr/0017-crash-points.md`.

#[cfg(feature = "crash-points")]
mod armed;

use std::future::Future;

/// A unit of work: what metrics and crash points call it.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    name: &'static str,
    /// The names that its points are derived from.
    #[cfg(feature = "crash-points")]
    points: Vec<&'static str>,
}

impl Unit {
    /// The unit `name`, made of the operations that the enclosing combiner is writing, if there is one.
    pub(crate) fn current(name: &'static str) -> Self {
        Self {
            name,
            #[cfg(feature = "crash-points")]
            points: [&[name], &*armed::current_operations()].concat(),
        }
    }

    /// The unit `name`, which changes nothing and so has no points.
    pub(crate) const fn reading(name: &'static str) -> Self {
        Self {
            name,
            #[cfg(feature = "crash-points")]
            points: Vec::new(),
        }
    }

    /// What metrics call it.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// All is decided and nothing is committed; buffered statements may not have reached the server yet.
    pub(crate) fn before_commit(&self) {
        self.pass("before_commit");
    }

    /// The commit is durable, and no caller has been told.
    pub(crate) fn after_commit(&self) {
        self.pass("after_commit");
    }

    #[cfg(feature = "crash-points")]
    fn pass(&self, moment: &str) {
        for name in &self.points {
            armed::pass(name, moment);
        }
    }

    #[cfg(not(feature = "crash-points"))]
    #[expect(clippy::unused_self, reason = "the feature gives it something to do")]
    const fn pass(&self, _moment: &str) {}
}

/// Runs `writing` so that the units of work in it bear the names of `operations`.
#[cfg(feature = "crash-points")]
pub(crate) async fn within<F: Future>(
    operations: impl Iterator<Item = &'static str>,
    writing: F,
) -> F::Output {
    armed::within(operations, writing).await
}

/// Runs `writing`.
#[cfg(not(feature = "crash-points"))]
pub(crate) fn within<F: Future>(_operations: impl Iterator<Item = &'static str>, writing: F) -> F {
    writing
}

/// Runs `step`, an effect outside this process, with the points `NAME.before` and `NAME.after`.
#[cfg(feature = "crash-points")]
pub async fn around<F: Future>(name: &'static str, step: F) -> F::Output {
    armed::pass(name, "before");
    let output = step.await;
    armed::pass(name, "after");
    output
}

/// Runs `step`: an effect outside this process.
#[cfg(not(feature = "crash-points"))]
pub fn around<F: Future>(_name: &'static str, step: F) -> F {
    step
}

/// The name of a message's type without its path: the name of its call.
pub(crate) fn message_name<M>() -> &'static str {
    let path = std::any::type_name::<M>();
    path.rsplit("::").next().unwrap_or(path)
}
