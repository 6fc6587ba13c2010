//! `bookstore up`: everything in one process.

use std::process::ExitCode;

use clap::Args;

use super::server;
use crate::config::Config;
use crate::service::Service;
use crate::system::System;

/// Arguments of `up`.
#[derive(Debug, Args)]
#[command(after_long_help = server::EXPLANATION)]
pub(crate) struct UpArgs {
    /// Refuse to start where a schema is behind, rather than bring it up to date
    #[arg(long)]
    no_migrate: bool,
}

/// Serves all four services.
pub(crate) async fn run(args: UpArgs, config: Config) -> anyhow::Result<ExitCode> {
    let metrics = config.telemetry.metrics;
    let start = async |config, _: &_| Ok(System::start(config, !args.no_migrate).await?.into());
    server::run(&Service::ALL, metrics, config, start).await
}
