//! `bookstore migrate`: brings the schemas up to date, without loss of data.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use platform::db::{Database, DatabaseOptions};

use crate::config::Config;
use crate::service::Service;

/// Arguments of `migrate`.
#[derive(Debug, Args)]
#[command(after_long_help = EXPLANATION)]
pub(crate) struct MigrateArgs {}

const EXPLANATION: &str = "\
Running it again changes nothing, and several at once do no harm. `up` and `serve` do the same at their start,
unless --no-migrate is given.

Exit codes: 0 all schemas are up to date; 2 wrong configuration, or a database that cannot be used.";

/// Migrates the four databases, one after another. Running it twice changes nothing.
pub(crate) async fn run(_args: MigrateArgs, config: Config) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for service in Service::ALL {
        let (url, migrations) = (service.database(&config), service.migrations());
        let opened = Database::open(url, migrations, DatabaseOptions::default()).await;
        let database = opened.map_err(|error| service.database_error(error))?;
        database.close().await;
        let (name, schema) = (service.name(), migrations.len());
        writeln!(out, "{name:<10} {url}: schema {schema}")?;
    }
    Ok(ExitCode::SUCCESS)
}
