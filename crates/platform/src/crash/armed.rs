use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use rustix::process::{Signal, getpid, kill_process};

use crate::config::variable;

/// Where to die, as `NAME` or `NAME:N`; empty means nowhere.
const TARGET: &str = "BOOKSTORE_TEST_CRASH";
/// The file that the points passed are written to.
const LOG: &str = "BOOKSTORE_TEST_CRASH_LOG";

/// The process' orders. A static, unlike everything else here: points are passed at places that no
/// argument reaches, and only test builds have any.
static ORDERS: LazyLock<Orders> = LazyLock::new(Orders::read);

tokio::task_local! {
    static OPERATIONS: Arc<[&'static str]>;
}

struct Orders {
    target: Option<Target>,
    log: Option<File>,
}

struct Target {
    name: String,
    /// At which pass from now the process is killed; 1 is the next.
    turns: AtomicU32,
}

impl Orders {
    fn read() -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let log = set(LOG).and_then(|path| {
            let opened = OpenOptions::new().create(true).append(true).open(&path);
            opened
                .inspect_err(|error| tracing::error!(path, %error, "{LOG}"))
                .ok()
        });
        Self {
            target: set(TARGET).map(|text| Target::parse(&text)),
            log,
        }
    }

    fn pass(&self, name: &str) {
        if let Some(mut log) = self.log.as_ref()
            // One write per line: lines of processes that share the file do not mix.
            && let Err(error) = log.write_all(format!("{name}\n").as_bytes())
        {
            tracing::error!(%error, "{LOG}");
        }
        if self.target.as_ref().is_some_and(|target| target.is(name)) {
            die();
        }
    }
}

/// Ends the process as `kill -9` does.
fn die() -> ! {
    let killed = kill_process(getpid(), Signal::KILL);
    // Reached only if the kernel refused.
    tracing::error!(?killed, "the process lives on");
    std::process::abort()
}

impl Target {
    fn parse(text: &str) -> Self {
        let (name, turns) = match text.rsplit_once(':') {
            Some((name, turns)) => (name, turns.parse().unwrap_or(1)),
            None => (text, 1),
        };
        Self {
            name: name.to_owned(),
            turns: AtomicU32::new(turns),
        }
    }

    /// Whether `name` is the target, and this the pass to die at.
    fn is(&self, name: &str) -> bool {
        name == self.name && self.turns.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

/// Passes the point `NAME.MOMENT`.
pub(super) fn pass(name: &str, moment: &str) {
    ORDERS.pass(&format!("{name}.{moment}"));
}

/// The operations that the enclosing combiner is writing; none outside a combiner.
pub(super) fn current_operations() -> Arc<[&'static str]> {
    OPERATIONS.try_with(Arc::clone).unwrap_or_default()
}

pub(super) async fn within<F: Future>(
    operations: impl Iterator<Item = &'static str>,
    writing: F,
) -> F::Output {
    OPERATIONS.scope(operations.collect(), writing).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_once_at_its_turn() {
        let second = Target::parse("order.pay.after_commit:2");
        let passed = ["order.pay.after_commit", "order.pay.before_commit"];
        assert!(!passed.iter().any(|name| second.is(name)));
        assert!(second.is(passed[0]));
        assert!(!second.is(passed[0]));
        assert!(Target::parse("migrate.before_commit").is("migrate.before_commit"));
    }

    #[tokio::test]
    async fn a_unit_knows_the_operations_of_the_combiner_above_it() {
        assert!(current_operations().is_empty());
        let names = ["a", "b"];
        let known = within(names.into_iter(), async { current_operations() }).await;
        assert_eq!(*known, names);
    }
}
