//! Numbered migrations, applied once each, in order, with checksums.

use sha2::{Digest, Sha256};
use types::UnixMillis;

use super::{Access, Database, DbError, Tx};
use crate::args;
use crate::clock::{Clock, SystemClock};
use crate::crash::{self, Unit};

/// One step of a schema. Applied steps are never edited: a checksum would differ.
#[derive(Debug)]
pub struct Migration {
    /// Its place in the order, from 1.
    pub number: u32,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Its script for SQLite; runs in one transaction with its record.
    pub sqlite: &'static str,
    /// Its script for MySQL-protocol servers, where every statement commits by itself: it must be
    /// able to resume after a crash (`CREATE TABLE IF NOT EXISTS`).
    pub mysql: &'static str,
}

impl Migration {
    const fn script(&self, tx: &Tx) -> &'static str {
        if tx.is_mysql() {
            self.mysql
        } else {
            self.sqlite
        }
    }

    fn checksum(&self, tx: &Tx) -> Vec<u8> {
        Sha256::digest(self.script(tx).as_bytes()).to_vec()
    }
}

/// How far a database's schema has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// There is no database yet.
    Absent,
    /// All steps are applied, and the row of the barrier is there.
    Current {
        /// How many steps there are.
        steps: usize,
    },
    /// Steps, or the row of the barrier, are missing.
    Behind {
        /// How many of this release's steps are applied.
        applied: usize,
        /// How many steps there are.
        steps: usize,
    },
}

const TAKE_LOCK: &str = "SELECT GET_LOCK(LEFT(CONCAT('bookstore_migrate_', DATABASE()), 64), 60)";
const GIVE_LOCK: &str = "SELECT RELEASE_LOCK(LEFT(CONCAT('bookstore_migrate_', DATABASE()), 64))";

/// The server's error code for a table that this user may not access.
const DENIED: &str = "(1142)";
const GRANT: &str = "grant this user its rights, as deploy/mysql/init.sql does";

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    number     INT NOT NULL PRIMARY KEY,
    name       VARCHAR(100) NOT NULL,
    checksum   VARBINARY(32) NOT NULL,
    applied_at DATETIME(3) NOT NULL
)";

/// The row that a transaction writes for the sake of the log alone: see `MysqlConnection::commit`.
const CREATE_BARRIER: &str = "CREATE TABLE IF NOT EXISTS commit_barrier (
    id     INT    NOT NULL PRIMARY KEY,
    passes BIGINT NOT NULL
)";
const FILL_BARRIER: &str = "INSERT IGNORE INTO commit_barrier (id, passes) VALUES (1, 0)";
const FIND_BARRIER: &str = "SELECT passes FROM commit_barrier WHERE id = 1";
pub(super) const PASS_BARRIER: &str = "UPDATE commit_barrier SET passes = passes + 1 WHERE id = 1";

/// Applies the missing steps; of many processes that start at once, one does the work. Without `apply`,
/// checks that none is missing. Steps of a newer release are ignored.
pub(super) async fn bring_up(
    database: &Database,
    migrations: &'static [Migration],
    apply: bool,
) -> Result<(), DbError> {
    if !apply {
        // A process that serves without migrating need not have the right to change a schema.
        return match inspect(database, migrations).await? {
            SchemaState::Current { .. } => Ok(()),
            SchemaState::Absent | SchemaState::Behind { .. } => Err(DbError::Unavailable(
                "the schema is behind: run `bookstore migrate`".to_owned(),
            )),
        };
    }
    let now = SystemClock.now();
    database
        .run(Unit::current("migrate"), Access::Migrate, move |tx| {
            Box::pin(bring_up_alone(tx, migrations, now))
        })
        .await
}

/// Counts this release's steps that are applied; a step that differs is an error.
pub(super) async fn inspect(
    database: &Database,
    migrations: &'static [Migration],
) -> Result<SchemaState, DbError> {
    database
        .read("inspect", move |tx| Box::pin(inspect_in(tx, migrations)))
        .await
}

async fn inspect_in(tx: &mut Tx, migrations: &[Migration]) -> Result<SchemaState, DbError> {
    let steps = migrations.len();
    let mut applied = 0;
    // Buffered statements go first, so that an error below is the query's own.
    tx.flush().await?;
    for migration in migrations {
        match checksum_applied(tx, migration).await {
            Ok(Some(checksum)) => {
                compare(tx, migration, &checksum)?;
                applied += 1;
            }
            Ok(None) => {}
            // Without the table of steps no step was ever applied.
            Err(error) if error.says_no_table() => {
                return Ok(SchemaState::Behind { applied: 0, steps });
            }
            Err(DbError::Broken(why)) if why.contains(DENIED) => {
                return Err(DbError::Unavailable(format!("{why}: {GRANT}")));
            }
            Err(error) => return Err(error),
        }
    }
    let current = applied == steps && has_barrier(tx).await?;
    Ok(if current {
        SchemaState::Current { steps }
    } else {
        SchemaState::Behind { applied, steps }
    })
}

/// Whether there is the row of the barrier, on a server that needs one.
async fn has_barrier(tx: &mut Tx) -> Result<bool, DbError> {
    if !tx.is_mysql() {
        return Ok(true);
    }
    match tx.query(FIND_BARRIER, args![]).await {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(error) if error.says_no_table() => Ok(false),
        Err(error) => Err(error),
    }
}

async fn checksum_applied(tx: &mut Tx, step: &Migration) -> Result<Option<Vec<u8>>, DbError> {
    let read = "SELECT checksum FROM schema_migrations WHERE number = ?";
    let rows = tx.query(read, args![step.number]).await?;
    rows.first().map(|row| row.bytes(0)).transpose()
}

fn compare(tx: &Tx, migration: &Migration, applied: &[u8]) -> Result<(), DbError> {
    if applied == migration.checksum(tx) {
        return Ok(());
    }
    Err(DbError::Corrupt(format!(
        "migration {} differs from the one applied",
        migration.number
    )))
}

/// On MySQL every change of the schema commits by itself, so a transaction excludes nobody: a named
/// lock does, held by this connection until it is released or the connection breaks.
async fn bring_up_alone(
    tx: &mut Tx,
    migrations: &[Migration],
    now: UnixMillis,
) -> Result<(), DbError> {
    if !tx.is_mysql() {
        return bring_up_in(tx, migrations, now).await;
    }
    let rows = tx.query(TAKE_LOCK, args![]).await?;
    if rows
        .first()
        .map(|row| row.opt_int(0))
        .transpose()?
        .flatten()
        != Some(1)
    {
        return Err(DbError::Contention(
            "another process is migrating".to_owned(),
        ));
    }
    tx.execute(CREATE_BARRIER, args![]).await?;
    tx.execute(FILL_BARRIER, args![]).await?;
    bring_up_in(tx, migrations, now).await?;
    tx.script("COMMIT").await?;
    tx.query(GIVE_LOCK, args![]).await?;
    Ok(())
}

async fn bring_up_in(
    tx: &mut Tx,
    migrations: &[Migration],
    now: UnixMillis,
) -> Result<(), DbError> {
    tx.execute(CREATE_TABLE, args![]).await?;
    for migration in migrations {
        match checksum_applied(tx, migration).await? {
            Some(checksum) => compare(tx, migration, &checksum)?,
            None => apply_one(tx, migration, now).await?,
        }
    }
    Ok(())
}

async fn apply_one(tx: &mut Tx, migration: &Migration, now: UnixMillis) -> Result<(), DbError> {
    // On MySQL this commits the step, whatever becomes of its record.
    crash::around("migrate.step", tx.script(migration.script(tx))).await?;
    let insert =
        "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)";
    tx.execute(
        insert,
        args![
            migration.number,
            migration.name,
            migration.checksum(tx),
            now
        ],
    )
    .await?;
    tracing::info!(
        migration = migration.number,
        name = migration.name,
        "schema migrated"
    );
    Ok(())
}
