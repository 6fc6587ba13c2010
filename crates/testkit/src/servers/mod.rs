//! Private servers for tests: started from the machine's own binaries on free ports, each on a data
//! folder of its own, gone with the test process.
//!
//! Where a binary is missing the test is left out with a clear line; with
//! `BOOKSTORE_REQUIRE_SERVERS=1` that is a failure instead.

mod consul;
mod mysql;
mod process;
mod redis;

pub use consul::{ConsulServer, consul};
pub use mysql::{MysqlServer, mysql};
pub use redis::{RedisServer, redis};

use std::net::TcpListener;

use anyhow::Context;

/// Says that tests are left out, or fails where they must not be.
fn left_out(what: &str) {
    let required =
        platform::config::variable("BOOKSTORE_REQUIRE_SERVERS").is_some_and(|v| v == "1");
    assert!(
        !required,
        "{what} is not installed, and BOOKSTORE_REQUIRE_SERVERS=1"
    );
    tell(&format!(
        "LEFT OUT: tests on {what}, which is not installed"
    ));
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs the tests must see what was left out"
)]
fn tell(line: &str) {
    eprintln!("{line}");
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
