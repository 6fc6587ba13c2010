//! Servers for tests: private ones, started from the machine's own binaries on free ports, each on a data
//! folder of its own, gone with the test process; or a shared one, where a variable names it.
//!
//! Where a binary is missing the test is left out with a clear line; with
//! `BOOKSTORE_REQUIRE_SERVERS=1` (for Consul: `BOOKSTORE_REQUIRE_CONSUL=1`) that is a failure instead.

mod certificates;
mod consul;
mod fake_mysql;
mod mysql;
mod process;
mod redis;

pub use certificates::Authority;
pub use consul::{ConsulServer, consul};
pub use fake_mysql::FakeMysql;
pub use mysql::{MysqlServer, mysql};
pub use redis::{RedisServer, redis};

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Says, once a process, that tests are left out because `what` is not installed.
///
/// # Panics
/// Where `BOOKSTORE_REQUIRE_SERVERS=1` says that they must not be.
pub fn left_out(what: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let required =
        platform::config::variable("BOOKSTORE_REQUIRE_SERVERS").is_some_and(|v| v == "1");
    assert!(
        !required,
        "{what} is not installed, and BOOKSTORE_REQUIRE_SERVERS=1"
    );
    let first = TOLD
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(what.to_owned());
    if first {
        tell(&format!(
            "LEFT OUT: tests on {what}, which is not installed"
        ));
    }
}

/// Says a line past the test runner, which keeps what passing tests print to itself.
pub fn tell(line: &str) {
    let mut out = std::io::stderr().lock();
    // Nobody is left to hear that this failed.
    drop(writeln!(out, "{line}"));
}
