//! `bookstore resume`: wakes the tasks that were parked.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use platform::clock::{Clock, SystemClock};
use platform::db::{Database, DatabaseOptions};

use crate::config::Config;
use crate::service::Service;

/// Arguments of `resume`.
#[derive(Debug, Args)]
#[command(after_long_help = EXPLANATION)]
pub(crate) struct ResumeArgs {}

const EXPLANATION: &str = "\
A task that inventory or payment refuses again and again is parked; the log and bookstore_order_tasks_parked tell
of it. Set right what it was refused for first: otherwise it is parked again.

Exit codes: 0 as many as it says were resumed; 2 wrong configuration, or a database that cannot be used.";

/// Wakes every parked task; a running order service picks them up within a second.
pub(crate) async fn run(_args: ResumeArgs, config: Config) -> anyhow::Result<ExitCode> {
    Service::Order.expect_database(&config)?;
    let unavailable = |error| Service::Order.database_error(error);
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
