//! `bookstore serve SERVICE`: one service in its own process.

use std::process::ExitCode;

use clap::Args;

use super::server;
use crate::config::Config;
use crate::service::Service;
use crate::system::start_one;

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_long_help = explanation())]
pub(crate) struct ServeArgs {
    /// Which service
    service: Service,

    /// Refuse to start where the schema is behind, rather than bring it up to date
    #[arg(long)]
    no_migrate: bool,
}

/// Serves one service.
pub(crate) async fn run(args: ServeArgs, config: Config) -> anyhow::Result<ExitCode> {
    let ServeArgs {
        service,
        no_migrate,
    } = args;
    let metrics = service.metrics(&config)?;
    let start = async |config, registry: &_| {
        let started = start_one(service, config, registry, !no_migrate).await?;
        Ok(vec![(service, started)])
    };
    server::run(&[service], metrics, config, start).await
}

fn explanation() -> String {
    format!(
        "Its metrics page is on a port of its own: that of telemetry.metrics and 3 for catalog, 4 for inventory,\n\
         5 for order, 6 for payment; so 9103 to 9106 by default. order.catalog, order.inventory and order.payment\n\
         say where order finds the others.\n\n{}",
        server::EXPLANATION
    )
}
