//! `bookstore up`: everything in one process.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use platform::telemetry;
use tokio_util::sync::CancellationToken;

use super::signal::{Signals, Words};
use crate::config::Config;
use crate::registration::{Announced, check_announced};
use crate::system::{Listeners, System, bind};

/// Arguments of `up`.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Refuse to start where a schema is behind, rather than bring it up to date
    #[arg(long)]
    no_migrate: bool,
}

/// Binds all ports, starts the services, serves until a signal, drains, stops.
pub(crate) async fn run(args: UpArgs, config: Config) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let listeners = Listeners::bind(&config).await?;
    let metrics_listener = bind("telemetry.metrics", config.telemetry.metrics).await?;
    let metrics = telemetry::metrics_page().map_err(anyhow::Error::msg)?;
    let registry = config.registry();
    // On the heap: four services' futures are large for a stack.
    let start = Box::pin(async {
        for (service, listen) in listeners.addresses()? {
            check_announced(&config, service, listen).await?;
        }
        anyhow::Ok(System::start(config, !args.no_migrate).await?)
    });
    let system = match signals.within(start).await {
        Ok(started) => started?,
        Err(code) => return Ok(code),
    };
    announce(&listeners, &metrics_listener)?;
    let announced = Announced::new(registry.as_ref(), &listeners.addresses()?);

    let shutdown = CancellationToken::new();
    let server = async {
        let metrics_end = CancellationToken::new();
        let page = metrics.serve(metrics_listener, metrics_end.clone());
        let stop_listening = CancellationToken::new();
        let services = async {
            tokio::join!(
                system.serve(listeners, &stop_listening),
                announced.take_back(&shutdown, &stop_listening),
            );
            system.stop().await;
            metrics_end.cancel();
        };
        tokio::join!(page, services);
    };
    let server = Box::pin(server);
    Ok(signals.guard(Words::DRAIN, shutdown.clone(), server).await)
}

fn announce(listeners: &Listeners, metrics: &tokio::net::TcpListener) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "bookstore {} is ready", env!("CARGO_PKG_VERSION"))?;
    for (name, address) in listeners.addresses()? {
        writeln!(out, "  {name:<10} {address}")?;
    }
    writeln!(
        out,
        "  {:<10} http://{}/metrics",
        "metrics",
        metrics.local_addr()?
    )?;
    writeln!(out, "Ctrl-C drains and stops.")?;
    Ok(out.flush()?)
}
