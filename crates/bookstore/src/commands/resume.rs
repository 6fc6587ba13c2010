//! `bookstore resume`: wakes the tasks that were parked.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use platform::StartError;
use platform::clock::{Clock, SystemClock};
use platform::db::{Database, DatabaseOptions};

use crate::config::Config;
use crate::system::expect_there;

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {}

/// Wakes every parked task; a running order service picks them up within a second.
pub(crate) async fn run(_args: ResumeArgs, config: Config) -> anyhow::Result<ExitCode> {
    expect_there("order", &config.order.database)?;
    let unavailable = |source| StartError::Database {
        service: "order",
        source,
    };
    let options = DatabaseOptions {
        migrate: false,
        ..DatabaseOptions::default()
    };
    let database = Database::open(&config.order.database, order::MIGRATIONS, options)
        .await
        .map_err(unavailable)?;
    let resumed = order::resume_parked_tasks(database.clone(), SystemClock.now())
        .await
        .map_err(unavailable)?;
    database.close().await;
    writeln!(std::io::stdout(), "{resumed} parked tasks resumed")?;
    Ok(ExitCode::SUCCESS)
}
