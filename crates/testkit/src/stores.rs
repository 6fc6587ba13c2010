//! What the suites of services run on: SQLite and what is built in, or a MySQL-protocol server and Redis.
//!
//! The tests are the same; `BOOKSTORE_TEST_STORE` says for the whole run which of the two it is: `sqlite`,
//! the default, or `mysql`, which takes the servers of [`crate::servers`] and fails where there are none.

use anyhow::Context;
use platform::db::{Database, DatabaseUrl};
use tempfile::TempDir;

use crate::servers::{self, RedisServer};

const VARIABLE: &str = "BOOKSTORE_TEST_STORE";

/// An empty database of one test's own.
pub struct TestDatabase {
    url: DatabaseUrl,
    /// Goes with the test, where the database is a file.
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A database of the kind that this run is about.
    pub async fn new() -> anyhow::Result<Self> {
        if is_on_servers() {
            let database = Self::mysql().await?;
            return database.with_context(|| format!("{VARIABLE}=mysql, and there is no server"));
        }
        Self::sqlite()
    }

    /// A file, whatever the run is about.
    pub fn sqlite() -> anyhow::Result<Self> {
        let folder = crate::temp_dir()?;
        Ok(Self {
            url: DatabaseUrl::sqlite(folder.path().join("test.db")),
            _folder: Some(folder),
        })
    }

    /// A database on the MySQL-protocol server, whatever the run is about; `None` where there is none.
    pub async fn mysql() -> anyhow::Result<Option<Self>> {
        let Some(server) = servers::mysql().await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            url: server.new_database().await?,
            _folder: None,
        }))
    }

    /// Where it is.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// How often, on a MySQL-protocol server, a row was written for the sake of the log alone, so that what had
    /// been read was durable.
    pub async fn barrier_passes(&self) -> anyhow::Result<i64> {
        let database = Database::open_read_only(&self.url)?;
        let read = database.read_once("passes", |tx| {
            Box::pin(tx.query("SELECT passes FROM commit_barrier", Vec::new()))
        });
        let rows = read.await;
        database.close().await;
        Ok(rows?.first().context("no barrier")?.int(0)?)
    }
}

/// A Redis of one test's own, where this run is about servers; `None` where it is about what is built in.
pub async fn redis_of_this_run() -> anyhow::Result<Option<RedisServer>> {
    if !is_on_servers() {
        return Ok(None);
    }
    let server = servers::redis().await?;
    let server = server.with_context(|| format!("{VARIABLE}=mysql, and there is no Redis"))?;
    Ok(Some(server))
}

fn is_on_servers() -> bool {
    match platform::config::variable(VARIABLE).as_deref() {
        None | Some("sqlite") => false,
        Some("mysql") => true,
        Some(other) => panic!("{VARIABLE}={other}: must be sqlite or mysql"),
    }
}
