//! Databases: one SQL text, one unit of work, two kinds of server.
//!
//! A unit of work is an async function over a [`Tx`]. On SQLite a `Tx` is a connection that a thread
//! of its own holds, and every call on it returns at once; the whole unit runs on that thread,
//! one hop for a transaction. A MySQL-protocol server fits behind the same `Tx`, where calls wait
//! for the network. So stores are written once, with `?` placeholders and SQL that all servers know.
//!
//! No write transaction can be cancelled: [`Database::write`] hands the unit over and only waits.

mod error;
mod migrate;
mod sqlite;
mod tx;
mod url;
mod value;

use futures::future::BoxFuture;

pub use error::DbError;
pub use migrate::{Migration, SchemaState};
pub use tx::Tx;
pub use url::DatabaseUrl;
pub use value::{Row, Value};

use sqlite::{Access, Sqlite};

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseOptions {
    /// Applies migrations that are missing; otherwise a missing one is an error.
    pub migrate: bool,
    /// How many connections serve reads.
    pub readers: usize,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            migrate: true,
            readers: 2,
        }
    }
}

/// A service's own database.
#[derive(Clone)]
pub struct Database {
    sqlite: Sqlite,
}

impl Database {
    /// Opens the database, makes it where it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// `Unavailable` where it is out of reach, `Corrupt` where it is not what it should be.
    pub async fn open(
        url: &DatabaseUrl,
        migrations: &'static [Migration],
        options: DatabaseOptions,
    ) -> Result<Self, DbError> {
        let database = Self {
            sqlite: Sqlite::open(url.path(), options.readers)?,
        };
        migrate::bring_up(&database, migrations, options.migrate).await?;
        Ok(database)
    }

    /// Opens an existing database for reading alone, whatever its schema: for audits.
    pub fn open_read_only(url: &DatabaseUrl) -> Result<Self, DbError> {
        Ok(Self {
            sqlite: Sqlite::open_read_only(url.path())?,
        })
    }

    /// Looks at the schema without changing anything: for people who ask what is wrong.
    pub async fn inspect(
        url: &DatabaseUrl,
        migrations: &'static [Migration],
    ) -> Result<SchemaState, DbError> {
        if !url.path().exists() {
            return Ok(SchemaState::Absent);
        }
        let database = Self::open_read_only(url)?;
        let state = migrate::inspect(&database, migrations).await;
        database.close().await;
        state
    }

    /// Runs `work` in one write transaction; any error rolls all of it back.
    ///
    /// Contention is retried, a bounded number of times; so `work` may run more than once, each time
    /// from a clean slate. `name` labels metrics.
    pub async fn write<T, W>(&self, name: &'static str, work: W) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        let timer = std::time::Instant::now();
        let result = self.sqlite.run(name, Access::Write, work).await;
        metrics::histogram!("bookstore_db_write_seconds", "work" => name)
            .record(timer.elapsed().as_secs_f64());
        result
    }

    /// Runs `work` on one consistent snapshot; it must not write.
    pub async fn read<T, W>(&self, name: &'static str, work: W) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        self.sqlite.run(name, Access::Read, work).await
    }

    /// Waits for what runs and closes the connections.
    pub async fn close(&self) {
        self.sqlite.close().await;
    }
}
