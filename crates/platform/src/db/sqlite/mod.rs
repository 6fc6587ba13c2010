//! SQLite: a writer's thread and a few readers' threads, each with a connection of its own.
//!
//! WAL, so that readers never wait; `synchronous=FULL`, so that an acknowledged commit survives a
//! power cut as far as the disk keeps its word.

mod connection;
mod error;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use futures::FutureExt;
use futures::future::BoxFuture;
use rusqlite::OpenFlags;
use tokio::sync::oneshot;

pub(super) use connection::SqliteConnection;

use super::{Access, DbError, Tx};
use crate::crash::Unit;

/// How often a transaction is tried; each try waits for the lock as long as `busy_timeout` says.
const TRIES_MAX: u32 = 3;

type Job = Box<dyn FnOnce(&mut Tx) + Send>;

#[derive(Clone)]
pub(super) struct Sqlite {
    writer: Arc<Pool>,
    readers: Arc<Pool>,
}

impl Sqlite {
    pub(super) fn open(path: &Path, readers: usize) -> Result<Self, DbError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                DbError::Unavailable(format!("cannot make {}: {error}", folder.display()))
            })?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let writer = Pool::start("sqlite-writer", vec![SqliteConnection::open(path, flags)?])?;
        let connections = (0..readers.max(1)).map(|_| SqliteConnection::open(path, flags));
        let readers = Pool::start("sqlite-reader", connections.collect::<Result<_, _>>()?)?;
        Ok(Self {
            writer: Arc::new(writer),
            readers: Arc::new(readers),
        })
    }

    pub(super) fn open_read_only(path: &Path) -> Result<Self, DbError> {
        // Read-write where it may, since a WAL left by a crash has to be recovered to be read.
        let connection = SqliteConnection::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .or_else(|_| SqliteConnection::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
        let readers = Arc::new(Pool::start("sqlite-reader", vec![connection])?);
        Ok(Self {
            writer: Arc::clone(&readers),
            readers,
        })
    }

    /// Runs `work` in a transaction on a thread of its kind, and again where others stood in its way.
    pub(super) async fn run<T, W>(
        &self,
        unit: Unit,
        access: Access,
        mut work: W,
    ) -> Result<T, DbError>
    where
        T: Send + 'static,
        W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        let pool = match access {
            Access::Read | Access::ReadOnce | Access::ReadLong => &self.readers,
            Access::Write | Access::Migrate => &self.writer,
        };
        let name = unit.name();
        let (answer, outcome) = oneshot::channel();
        pool.send(Box::new(move |tx| {
            let mut result = transact(tx, &unit, access, &mut work);
            for _ in 1..TRIES_MAX {
                let Err(DbError::Contention(_)) = &result else {
                    break;
                };
                metrics::counter!("bookstore_db_retries_total", "work" => name).increment(1);
                result = transact(tx, &unit, access, &mut work);
            }
            // The caller may be gone; the transaction is done all the same.
            drop(answer.send(result));
        }))?;
        outcome
            .await
            .unwrap_or_else(|_| Err(DbError::Broken(format!("{name} panicked"))))
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Runs one transaction; any error, and any panic, rolls it back.
fn transact<T, W>(tx: &mut Tx, unit: &Unit, access: Access, work: &mut W) -> Result<T, DbError>
where
    W: for<'t> FnMut(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>>,
{
    let whole = async {
        tx.begin(access)?;
        let value = work(tx).await?;
        unit.before_commit();
        tx.commit(access).await?;
        unit.after_commit();
        Ok(value)
    };
    // Nothing in here waits for anything but this connection, which answers at once.
    let result = catch_unwind(AssertUnwindSafe(|| whole.now_or_never()))
        .unwrap_or_else(|panic| Some(Err(DbError::Broken(panic_text(&*panic)))))
        .unwrap_or_else(|| {
            Err(DbError::Broken(
                "a unit of work waited for something else".into(),
            ))
        });
    if result.is_err()
        && let Some(connection) = tx.as_sqlite()
        && let Err(error) = connection.roll_back()
    {
        tracing::error!(%error, "a rollback failed");
    }
    tx.count_unit(unit.name());
    result
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic in a unit of work: {}", text.unwrap_or("no message"))
}

/// Threads that share a queue of jobs, a connection each.
struct Pool {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    fn start(name: &str, connections: Vec<SqliteConnection>) -> Result<Self, DbError> {
        let (queue, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::with_capacity(connections.len());
        for connection in connections {
            let jobs = Arc::clone(&jobs);
            let thread = std::thread::Builder::new().name(name.to_owned());
            let spawned = thread.spawn(move || work_off(&jobs, Tx::sqlite(connection)));
            threads.push(spawned.map_err(|error| DbError::Unavailable(error.to_string()))?);
        }
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            threads: Mutex::new(threads),
        })
    }

    fn send(&self, job: Job) -> Result<(), DbError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = queue.as_ref().is_some_and(|queue| queue.send(job).is_ok());
        if sent {
            Ok(())
        } else {
            Err(DbError::Unavailable("the database is closed".to_owned()))
        }
    }

    /// Takes no more jobs, and waits for those that were taken.
    async fn close(&self) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let joined = tokio::task::spawn_blocking(move || {
            threads
                .into_iter()
                .map(JoinHandle::join)
                .filter(Result::is_err)
                .count()
                == 0
        });
        if !joined.await.unwrap_or(false) {
            tracing::error!("a database thread died");
        }
    }
}

fn work_off(jobs: &Mutex<mpsc::Receiver<Job>>, mut tx: Tx) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(&mut tx),
            Err(mpsc::RecvError) => return,
        }
    }
}
