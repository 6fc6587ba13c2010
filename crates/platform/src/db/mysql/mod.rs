//! MySQL-protocol servers: MySQL, MariaDB, TiDB.
//!
//! Every unit of work runs in a task of its own on a connection from a pool, so nothing that a
//! caller can cancel ever stands inside a transaction. A connection goes back to the pool only after
//! its transaction ended well; after any error it is closed, and the server rolls back.

mod connection;
mod error;
mod rows;
mod server;
mod text;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use mysql_async::{Conn, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, SslOpts};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::url::MysqlUrl;
use super::{Access, DbError, Tx};
use crate::crash::Unit;
use crate::turn::Turn;
use crate::{clock, random, tls};
pub(super) use connection::MysqlConnection;
pub(super) use server::Found;

/// How often a unit of work is tried when others stand in its way.
const TRIES_MAX: u32 = 5;
/// The longest wait before the second try; it doubles with every further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(5);
/// How long a connection may take to come.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long a unit of work may take up to its commit, and how long the commit; longer means that the server
/// hangs.
const WORK_LIMIT: Duration = Duration::from_secs(10);
/// How long all steps of a schema together, or one read of an audit, may take.
const LONG_LIMIT: Duration = Duration::from_hours(1);
/// How many connections a service uses at the most.
const CONNECTIONS_MAX: usize = 16;
/// How many of them reads may use at once: what writes must never queue behind a crowd of readers.
const READS_MAX: usize = 8;
/// How many of those may be lists and figures, which can take long: whoever looks for single rows must never queue
/// behind them.
const SNAPSHOTS_MAX: usize = 4;
/// How long a connection may lie idle before it is closed, and how often that is looked at: together well
/// before the server closes it.
const IDLE_LIMIT: Duration = Duration::from_secs(5);
const IDLE_CHECK_EVERY: Duration = Duration::from_secs(1);

/// What every connection is told first. Strictness and isolation are ours to choose, not the
/// server's; a wait for a row ends before callers have gone. A replica that loses its power or is frozen in
/// the midst of a transaction says nothing any more: `wait_timeout` frees the rows that it holds. What nobody waits for
/// any more after [`WORK_LIMIT`], the server stops too (MySQL only queries); MariaDB and MySQL have a comment each that
/// the other one skips.
const SETUP: [&str; 3] = [
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
     time_zone = '+00:00', autocommit = 1, innodb_lock_wait_timeout = 2, \
     wait_timeout = 10 /*M! , max_statement_time = 10 */ /*!50700 , max_execution_time = 10000 */",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET NAMES utf8mb4",
];

/// A pool of connections to one database.
#[derive(Clone)]
pub(super) struct Mysql {
    pool: Arc<Pool>,
    reads: Arc<Semaphore>,
    snapshots: Arc<Semaphore>,
}

impl Mysql {
    /// A pool that connects when it is first used.
    pub(super) fn new(url: &MysqlUrl) -> Result<Self, DbError> {
        Ok(Self {
            pool: Arc::new(Pool::new(options(url)?)),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS_MAX)),
        })
    }

    /// Makes sure that the server is one that this program can keep its promises on.
    pub(super) async fn verify(&self) -> Result<(), DbError> {
        let found = server::examine(&mut self.connect().await?).await?;
        match found.mistakes.into_iter().next() {
            Some(mistake) => Err(DbError::Unavailable(mistake)),
            None => Ok(()),
        }
    }

    /// Looks at the server and the database for whatever is wrong with them.
    pub(super) async fn examine(&self) -> Result<Found, DbError> {
        let mut connection = self.connect().await?;
        let mut found = server::examine(&mut connection).await?;
        if found.mistakes.is_empty() {
            found.mistakes = server::find_wrong_charsets(&mut connection).await?;
        }
        Ok(found)
    }

    async fn connect(&self) -> Result<Conn, DbError> {
        match tokio::time::timeout(CONNECT_LIMIT, self.pool.get_conn()).await {
            Ok(connection) => connection.map_err(error::connecting),
            Err(_) => Err(DbError::Unavailable(format!(
                "no connection within {} s: is it a MySQL server, and well?",
                CONNECT_LIMIT.as_secs()
            ))),
        }
    }

    /// Waits until one more may read; others need not wait.
    async fn reading_permits(&self, access: Access) -> Result<Vec<SemaphorePermit<'_>>, DbError> {
        let needed: &[&Semaphore] = match access {
            Access::Write | Access::Migrate => &[],
            Access::ReadOnce => &[&self.reads],
            Access::Read | Access::ReadLong => &[&self.snapshots, &self.reads],
        };
        let acquire = async {
            let mut permits = Vec::with_capacity(needed.len());
            for semaphore in needed {
                permits.extend(semaphore.acquire().await);
            }
            permits
        };
        let acquired = tokio::time::timeout(CONNECT_LIMIT, acquire).await;
        acquired.map_err(|_| DbError::Unavailable("too many reads at once".to_owned()))
    }

    /// Runs `work` in a transaction, and again where others stood in its way.
    pub(super) async fn run<T, W>(
        &self,
        unit: Unit,
        access: Access,
        turn: &Turn,
        mut work: W,
    ) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        let (this, turn) = (self.clone(), turn.clone());
        let name = unit.name();
        let retried = async move {
            let mut backoff = BACKOFF_FIRST;
            for _ in 1..TRIES_MAX {
                match this.transact(&unit, access, &turn, &mut work).await {
                    Err(DbError::Contention(reason)) => {
                        metrics::counter!("bookstore_db_retries_total", "work" => name)
                            .increment(1);
                        tracing::debug!(work = name, reason, "contention, trying again");
                    }
                    result => return result,
                }
                let wait = random::wait_between(Duration::ZERO, backoff);
                clock::pause(wait).await;
                backoff = backoff.saturating_mul(2);
            }
            this.transact(&unit, access, &turn, &mut work).await
        };
        // A task of its own: whoever waits may go away, the transaction may not.
        #[expect(
            clippy::disallowed_methods,
            reason = "ends by itself within bounded tries"
        )]
        let task = tokio::spawn(retried);
        task.await
            .unwrap_or_else(|_| Err(DbError::OutcomeUnknown(format!("{name} panicked"))))
    }

    async fn transact<T, W>(
        &self,
        unit: &Unit,
        access: Access,
        turn: &Turn,
        work: &mut W,
    ) -> Result<T, DbError>
    where
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>>,
    {
        let _permits = self.reading_permits(access).await?;
        let mut tx = Tx::mysql(MysqlConnection::new(self.connect().await?));
        let result = transact_on(&mut tx, unit, access, turn, work).await;
        tx.count_unit(unit.name());
        // After an error it may be inside a transaction; after long work its session has no limit.
        if result.is_err() || matches!(access, Access::ReadLong | Access::Migrate) {
            close(tx);
        }
        result
    }

    pub(super) async fn close(&self) {
        if let Err(error) = Pool::clone(&self.pool).disconnect().await {
            tracing::debug!(%error, "closing the pool");
        }
    }
}

/// Runs one transaction to its commit; after an error the connection is not fit for another.
async fn transact_on<T, W>(
    tx: &mut Tx,
    unit: &Unit,
    access: Access,
    turn: &Turn,
    work: &mut W,
) -> Result<T, DbError>
where
    W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>>,
{
    let before_commit = async {
        tx.begin(access)?;
        let value = work(tx).await?;
        unit.before_commit();
        Ok::<_, DbError>(value)
    };
    let limit = match access {
        Access::Migrate | Access::ReadLong => LONG_LIMIT,
        Access::Read | Access::ReadOnce | Access::Write => WORK_LIMIT,
    };
    let value = match tokio::time::timeout(limit, before_commit).await {
        Ok(result) => result?,
        Err(_) => {
            return Err(DbError::Unavailable(
                "the database does not answer".to_owned(),
            ));
        }
    };
    match tokio::time::timeout(WORK_LIMIT, tx.commit(access, turn)).await {
        Ok(committed) => {
            committed?;
            unit.after_commit();
            Ok(value)
        }
        Err(_) => Err(DbError::OutcomeUnknown("no answer to a commit".to_owned())),
    }
}

/// Ends a connection whose transaction did not end well: the server rolls back what was open.
fn close(tx: Tx) {
    if let Some(connection) = tx.into_mysql() {
        connection.close();
    }
}

fn options(url: &MysqlUrl) -> Result<OptsBuilder, DbError> {
    let options = Opts::from_url(&url.driver)
        .map_err(|error| DbError::Broken(format!("database URL: {error}")))?;
    let ssl = ssl_options(&options, url)?;
    let constraints = PoolConstraints::new(0, CONNECTIONS_MAX)
        .ok_or_else(|| DbError::Broken("pool constraints".to_owned()))?;
    // A reset would cost a round trip each time; every connection in the pool is clean already.
    // Without a time to live the pool closes what comes back.
    let pool = PoolOpts::new()
        .with_constraints(constraints)
        .with_reset_connection(false)
        .with_inactive_connection_ttl(IDLE_LIMIT)
        .with_ttl_check_interval(IDLE_CHECK_EVERY);
    Ok(OptsBuilder::from_opts(options)
        .ssl_opts(ssl)
        .pool_opts(pool)
        .socket(url.socket.as_deref().map(|path| path.display().to_string()))
        // The one that a server names may belong to another server here, as where a container forwards its port.
        .prefer_socket(false)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(10)))
        .client_found_rows(true)
        // Statements go as text, several in a round trip: nothing is ever prepared.
        .stmt_cache_size(0)
        .setup(SETUP.map(str::to_owned).to_vec()))
}

/// None where the connection is not encrypted.
fn ssl_options(options: &Opts, url: &MysqlUrl) -> Result<Option<SslOpts>, DbError> {
    let asked_for = options.ssl_opts().cloned();
    let Some(ca) = &url.ca else {
        if asked_for.is_some() {
            tls::name_provider();
        }
        return Ok(asked_for);
    };
    tls::name_provider();
    let certificates = tls::read_ca(ca).map_err(DbError::Unavailable)?;
    let ssl = asked_for
        .unwrap_or_default()
        .with_root_certs(vec![certificates.into()])
        .with_disable_built_in_roots(true);
    Ok(Some(ssl))
}
