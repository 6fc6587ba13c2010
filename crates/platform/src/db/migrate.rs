//! Numbered migrations, applied once each, in order, with checksums.

use sha2::{Digest, Sha256};
use types::UnixMillis;

use super::{Database, DbError, Tx};
use crate::args;
use crate::clock::{Clock, SystemClock};

/// One step of a schema. Applied steps are never edited: a checksum tells.
#[derive(Debug)]
pub struct Migration {
    /// Its place in the order, from 1.
    pub number: u32,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Its script for SQLite.
    pub sqlite: &'static str,
}

impl Migration {
    fn checksum(&self) -> Vec<u8> {
        Sha256::digest(self.sqlite.as_bytes()).to_vec()
    }
}

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    number     INT NOT NULL PRIMARY KEY,
    name       VARCHAR(100) NOT NULL,
    checksum   VARBINARY(32) NOT NULL,
    applied_at DATETIME(3) NOT NULL
)";

/// Applies what is missing in one transaction, so that of many that start at once one does the work;
/// where it may not, checks that nothing is missing. Steps of a newer release are left alone.
pub(super) async fn bring_up(
    database: &Database,
    migrations: &'static [Migration],
    apply: bool,
) -> Result<(), DbError> {
    let now = SystemClock.now();
    database
        .write("migrate", move |tx| {
            Box::pin(bring_up_in(tx, migrations, apply, now))
        })
        .await
}

async fn bring_up_in(
    tx: &mut Tx,
    migrations: &[Migration],
    apply: bool,
    now: UnixMillis,
) -> Result<(), DbError> {
    tx.execute(CREATE_TABLE, args![]).await?;
    for migration in migrations {
        let read = "SELECT checksum FROM schema_migrations WHERE number = ?";
        let applied = tx.query(read, args![migration.number]).await?;
        match applied.first() {
            Some(row) if row.bytes(0)? == migration.checksum() => {}
            Some(_) => {
                let what = format!(
                    "migration {} differs from the one applied",
                    migration.number
                );
                return Err(DbError::Corrupt(what));
            }
            None if !apply => {
                let missing = format!(
                    "migration {} is missing: run `bookstore migrate`",
                    migration.number
                );
                return Err(DbError::Unavailable(missing));
            }
            None => apply_one(tx, migration, now).await?,
        }
    }
    Ok(())
}

async fn apply_one(tx: &mut Tx, migration: &Migration, now: UnixMillis) -> Result<(), DbError> {
    tx.script(migration.sqlite)?;
    let insert =
        "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)";
    tx.execute(
        insert,
        args![migration.number, migration.name, migration.checksum(), now],
    )
    .await?;
    tracing::info!(
        migration = migration.number,
        name = migration.name,
        "schema migrated"
    );
    Ok(())
}
