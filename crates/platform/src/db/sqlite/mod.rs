//! SQLite: a writer thread and a few reader threads, each with a connection of its own.
//!
//! WAL, so that readers never wait; `synchronous=FULL`, so that an acknowledged commit survives a
//! power cut if the disk honours a sync.

mod connection;
mod error;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

pub(super) use connection::SqliteConnection;

use super::{Access, DbError, Tx};
use crate::crash::Unit;
use crate::turn::Turn;

/// How many times a transaction is tried; each try waits for the lock as long as `busy_timeout` says.
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
        let writer = Pool::start("sqlite-writer", vec![SqliteConnection::open(path)?])?;
        let connections = (0..readers.max(1)).map(|_| SqliteConnection::open(path));
        let readers = Pool::start("sqlite-reader", connections.collect::<Result<_, _>>()?)?;
        Ok(Self {
            writer: Arc::new(writer),
            readers: Arc::new(readers),
        })
    }

    pub(super) fn open_read_only(path: &Path) -> Result<Self, DbError> {
        let connection = SqliteConnection::open_read_only(path)?;
        let readers = Arc::new(Pool::start("sqlite-reader", vec![connection])?);
        Ok(Self {
            writer: Arc::clone(&readers),
            readers,
        })
    }

    /// Runs `work` in a transaction on the writer's thread or a reader's, and again on contention.
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
        // Panics of the work are errors above: this is a thread that is gone, whenever it went.
        outcome.await.unwrap_or_else(|_| {
            let reason = format!("the thread that ran {name} is gone");
            Err(DbError::OutcomeUnknown(reason))
        })
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
        // There is one writer: the next transaction cannot begin before this one's commit.
        tx.commit(access, &Turn::default()).await?;
        unit.after_commit();
        Ok(value)
    };
    // Nothing in here awaits anything but this connection, whose calls are never pending.
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

    /// Accepts no more jobs, and waits for those that it accepted.
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

#[cfg(test)]
mod tests {
    //! Proves that reading changes no byte of a database and its WAL, whatever state they are in.

    use std::collections::BTreeMap;
    use std::fs;

    use rusqlite::Connection;

    use super::*;
    use crate::args;
    use crate::db::{Database, DatabaseOptions, DatabaseUrl, Migration};

    const MIGRATIONS: &[Migration] = &[Migration {
        number: 1,
        name: "things",
        sqlite: "CREATE TABLE things (id INT NOT NULL PRIMARY KEY)",
        mysql: "",
    }];

    /// Every file in `folder`, and what is in it.
    fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        };
        fs::read_dir(folder).unwrap().map(read).collect()
    }

    /// Takes write permission away; returns the permissions from before.
    fn set_read_only(path: &Path) -> fs::Permissions {
        let before = fs::metadata(path).unwrap().permissions();
        let mut rights = before.clone();
        rights.set_readonly(true);
        fs::set_permissions(path, rights).unwrap();
        before
    }

    async fn write(database: &Database, sql: &'static str) -> Result<u64, DbError> {
        let written = database.write("write", move |tx| {
            Box::pin(async move { tx.execute(sql, args![]).await })
        });
        written.await
    }

    /// A running service's database with a row in its WAL.
    async fn running(path: &Path) -> Database {
        let url = DatabaseUrl::sqlite(path);
        let open = Database::open(&url, MIGRATIONS, DatabaseOptions::default());
        let database = open.await.unwrap();
        write(&database, "INSERT INTO things (id) VALUES (7)")
            .await
            .unwrap();
        database
    }

    /// Reads the things as an audit does; returns the error of an attempt to write.
    async fn audit(path: &Path) -> DbError {
        let database = Database::open_read_only(&DatabaseUrl::sqlite(path)).unwrap();
        let counted = database.read("count", |tx| {
            Box::pin(async move { Ok(tx.query("SELECT id FROM things", args![]).await?.len()) })
        });
        assert_eq!(counted.await, Ok(1));
        let refused = write(&database, "DELETE FROM things").await.unwrap_err();
        database.close().await;
        refused
    }

    #[tokio::test]
    async fn a_backup_is_read_without_a_byte_changing() {
        let (home, safe) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let copy = safe.path().join("a 100%?#.db");
        let database = running(&home.path().join("live.db")).await;
        let vacuum = Connection::open(home.path().join("live.db")).unwrap();
        let target = copy.to_str().unwrap();
        vacuum.execute("VACUUM INTO ?", [target]).unwrap();
        drop(vacuum);
        database.close().await;
        let before = files(safe.path());
        for _ in ["writable", "read-only"] {
            let refused = audit(&copy).await;
            assert!(matches!(refused, DbError::Unavailable(_)), "{refused:?}");
            assert!(before == files(safe.path()), "a byte changed");
            set_read_only(&copy);
        }
    }

    #[tokio::test]
    async fn a_database_in_use_at_rest_or_left_by_a_crash_is_read_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("live.db");
        let database = running(&path).await;
        let in_use = files(home.path());
        audit(&path).await;
        // The index in `-shm` records who reads.
        let without_index = |mut files: BTreeMap<String, Vec<u8>>| {
            files.remove("live.db-shm");
            files
        };
        assert!(without_index(in_use.clone()) == without_index(files(home.path())));

        // What a kill leaves behind: the WAL, and an index that may be older.
        let crashed = tempfile::tempdir().unwrap();
        for (name, bytes) in without_index(in_use) {
            fs::write(crashed.path().join(name), bytes).unwrap();
        }
        let before = files(crashed.path());
        assert!(before.get("live.db-wal").is_some_and(|wal| !wal.is_empty()));
        audit(&crashed.path().join("live.db")).await;
        assert!(before == without_index(files(crashed.path())));

        database.close().await;
        let at_rest = files(home.path());
        assert_eq!(at_rest.len(), 1);
        audit(&path).await;
        assert!(at_rest == files(home.path()));
        // The same if no file may be created beside it.
        let rights = [path.as_path(), home.path()].map(|path| (path, set_read_only(path)));
        audit(&path).await;
        assert!(at_rest == files(home.path()));
        for (path, rights) in rights {
            fs::set_permissions(path, rights).unwrap();
        }
    }
}
