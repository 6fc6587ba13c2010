//! Databases: one SQL text, one unit of work, two kinds of server.
//!
//! A unit of work is an async function over a [`Tx`]. On SQLite a `Tx` is a connection that a
//! thread of its own holds, and no call on it is ever pending; the whole unit runs on that thread,
//! one hop per transaction. On a MySQL-protocol server it is a pooled connection, calls wait for
//! the network, and the unit runs in a task of its own. So stores are written once, with `?`
//! placeholders and SQL that all servers know.
//!
//! No write transaction can be cancelled: [`Database::write`] hands the unit over and only waits.

mod change;
mod error;
mod migrate;
mod mysql;
mod remembered;
mod sqlite;
mod tx;
mod url;
mod value;

use futures::future::BoxFuture;

pub use change::{Insert, Matches, Update};
pub use error::DbError;
pub use migrate::{Migration, SchemaState};
pub use remembered::{Recall, Remembered};
pub use tx::{Lookup, Tx};
pub use url::DatabaseUrl;
pub use value::{Row, Value};

use crate::crash::Unit;
use crate::turn::Turn;
use mysql::{Found, Mysql};
use sqlite::Sqlite;
use url::Place;

/// How many times a unit of work is tried when others insert the same keys.
const KEYED_TRIES_MAX: u32 = 3;

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseOptions {
    /// Applies migrations that are missing; otherwise a missing one is an error.
    pub migrate: bool,
    /// How many connections of SQLite serve reads; those of a server have limits of their own.
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

/// How a unit of work uses the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// A consistent snapshot.
    Read,
    /// One statement, which is consistent by itself.
    ReadOnce,
    /// A consistent snapshot of whole tables, however long that takes.
    ReadLong,
    /// A transaction.
    Write,
    /// A transaction that changes the schema, however long that takes.
    Migrate,
}

/// What [`Database::inspect`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The server and its version.
    pub server: String,
    /// What is wrong with it and what to do, one line each; empty if nothing is.
    pub mistakes: Vec<String>,
    /// How far the schema has come.
    pub schema: SchemaState,
}

/// A service's own database.
#[derive(Clone)]
pub struct Database {
    server: Server,
}

#[derive(Clone)]
enum Server {
    Sqlite(Sqlite),
    Mysql(Mysql),
}

impl Database {
    /// Opens the database, creates its file if that is missing, and brings its schema up to date or,
    /// without [`DatabaseOptions::migrate`], checks it.
    ///
    /// # Errors
    /// `Unavailable` where it is out of reach or cannot be trusted, `Corrupt` where its schema is not
    /// what it should be.
    pub async fn open(
        url: &DatabaseUrl,
        migrations: &'static [Migration],
        options: DatabaseOptions,
    ) -> Result<Self, DbError> {
        let server = match url.place() {
            Place::Sqlite(path) => Server::Sqlite(Sqlite::open(path, options.readers)?),
            Place::Mysql(url) => {
                let mysql = Mysql::new(url)?;
                mysql.verify().await?;
                Server::Mysql(mysql)
            }
        };
        let database = Self { server };
        migrate::bring_up(&database, migrations, options.migrate).await?;
        Ok(database)
    }

    /// Opens an existing database to be read, whatever its schema: for audits. A SQLite file cannot be
    /// written through it; on a server it is the user's rights that decide.
    pub fn open_read_only(url: &DatabaseUrl) -> Result<Self, DbError> {
        let server = match url.place() {
            Place::Sqlite(path) => Server::Sqlite(Sqlite::open_read_only(path)?),
            Place::Mysql(url) => Server::Mysql(Mysql::new(url)?),
        };
        Ok(Self { server })
    }

    /// Looks at the server and the schema without changing anything: for diagnosis.
    pub async fn inspect(
        url: &DatabaseUrl,
        migrations: &'static [Migration],
    ) -> Result<Inspection, DbError> {
        let found = match url.place() {
            Place::Sqlite(_) => Found {
                name: format!("SQLite {}", rusqlite::version()),
                mistakes: Vec::new(),
            },
            Place::Mysql(url) => {
                let mysql = Mysql::new(url)?;
                let found = mysql.examine().await;
                mysql.close().await;
                found?
            }
        };
        let is_absent = matches!(url.place(), Place::Sqlite(path) if !path.exists());
        let schema = if is_absent {
            SchemaState::Absent
        } else {
            let database = Self::open_read_only(url)?;
            let schema = migrate::inspect(&database, migrations).await;
            database.close().await;
            schema?
        };
        Ok(Inspection {
            server: found.name,
            mistakes: found.mistakes,
            schema,
        })
    }

    /// Runs `work` in one write transaction. An error means that all of it is rolled back, but for
    /// [`DbError::OutcomeUnknown`].
    ///
    /// Contention is retried, a bounded number of times; so `work` may run more than once, each time
    /// from a clean slate. `name` labels metrics and crash points.
    pub async fn write<T, W>(&self, name: &'static str, work: W) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        self.write_then_pass(name, &Turn::default(), work).await
    }

    async fn write_then_pass<T, W>(
        &self,
        name: &'static str,
        turn: &Turn,
        work: W,
    ) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        let timer = std::time::Instant::now();
        let unit = Unit::current(name);
        let result = match &self.server {
            Server::Sqlite(sqlite) => sqlite.run(unit, Access::Write, work).await,
            Server::Mysql(mysql) => mysql.run(unit, Access::Write, turn, work).await,
        };
        metrics::histogram!("bookstore_db_write_seconds", "work" => name)
            .record(timer.elapsed().as_secs_f64());
        result
    }

    /// As [`Self::write`], for work that looks keys up and inserts those that are missing: if another replica
    /// inserts one in between, the work is tried again, a bounded number of times, and finds that row.
    ///
    /// Passes `turn` on when the server has carried out all but the commit: the next writer then waits for
    /// the locks on the rows that this work wrote, but not for its fsync.
    pub async fn write_keyed<T, W>(
        &self,
        name: &'static str,
        turn: &Turn,
        work: W,
    ) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Clone + Send + 'static,
    {
        for _ in 1..KEYED_TRIES_MAX {
            match self.write_then_pass(name, turn, work.clone()).await {
                Err(DbError::Duplicate { .. }) => {}
                result => return result,
            }
        }
        self.write_then_pass(name, turn, work).await
    }

    /// Runs `work` on one consistent snapshot; it must not write.
    pub async fn read<T, W>(&self, name: &'static str, work: W) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        self.run(Unit::reading(name), Access::Read, work).await
    }

    /// As [`Self::read`], for audits, which scan whole tables: with a longer time limit.
    pub async fn read_long<T, W>(&self, name: &'static str, work: W) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        self.run(Unit::reading(name), Access::ReadLong, work).await
    }

    /// As [`Self::read`], for work that is a single query or lookup: one statement is consistent by itself,
    /// and is spared the round trips of a transaction. Each piece of a long list sees a moment of its own.
    pub async fn read_once<T, W>(&self, name: &'static str, work: W) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        self.run(Unit::reading(name), Access::ReadOnce, work).await
    }

    /// Returns once everything that could be read before this call is durable. For rows that a reader acts on
    /// and never looks at again: a server that dies now must not take them back.
    ///
    /// SQLite shows no row before it is durable.
    pub async fn sync(&self) -> Result<(), DbError> {
        match &self.server {
            Server::Sqlite(_) => Ok(()),
            Server::Mysql(_) => self.write("sync", |_| Box::pin(async { Ok(()) })).await,
        }
    }

    /// Waits for what runs and closes the connections.
    pub async fn close(&self) {
        match &self.server {
            Server::Sqlite(sqlite) => sqlite.close().await,
            Server::Mysql(mysql) => mysql.close().await,
        }
    }

    async fn run<T, W>(&self, unit: Unit, access: Access, work: W) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        match &self.server {
            Server::Sqlite(sqlite) => sqlite.run(unit, access, work).await,
            Server::Mysql(mysql) => mysql.run(unit, access, &Turn::default(), work).await,
        }
    }
}
