//! `bookstore migrate`: brings the schemas up to date; never destroys anything.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use platform::StartError;
use platform::db::{Database, DatabaseOptions};

use crate::config::Config;

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {}

/// Migrates the four databases, one after another. Running it twice changes nothing.
pub(crate) async fn run(_args: MigrateArgs, config: Config) -> anyhow::Result<ExitCode> {
    let databases = [
        ("catalog", &config.catalog.database, catalog::MIGRATIONS),
        (
            "inventory",
            &config.inventory.database,
            inventory::MIGRATIONS,
        ),
        ("order", &config.order.database, order::MIGRATIONS),
        ("payment", &config.payment.database, payment::MIGRATIONS),
    ];
    let mut out = std::io::stdout().lock();
    for (service, url, migrations) in databases {
        let opened = Database::open(url, migrations, DatabaseOptions::default()).await;
        let database = opened.map_err(|source| StartError::Database { service, source })?;
        database.close().await;
        writeln!(out, "{service:<10} {url}: schema {}", migrations.len())?;
    }
    Ok(ExitCode::SUCCESS)
}
