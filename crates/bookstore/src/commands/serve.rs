//! `bookstore serve SERVICE`: one service in its own process.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use platform::StartError;
use platform::db::DatabaseUrl;
use platform::discovery::Registry;
use platform::server::RunningService;
use platform::telemetry;
use tokio_util::sync::CancellationToken;

use super::signal::{Signals, Words};
use crate::config::Config;
use crate::registration::{Announced, check_announced};
use crate::system::{bind, deps, expect_there};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Which service
    service: Service,

    /// Refuse to start where the schema is behind, rather than bring it up to date
    #[arg(long)]
    no_migrate: bool,
}

/// The services that run by themselves.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Service {
    Catalog,
    Inventory,
    Order,
    Payment,
}

impl Service {
    /// The service's name and key in the configuration.
    const fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
        }
    }

    /// What is added to the port of the metrics page, so that four services fit on one host.
    const fn metrics_offset(self) -> u16 {
        match self {
            Self::Catalog => 3,
            Self::Inventory => 4,
            Self::Order => 5,
            Self::Payment => 6,
        }
    }

    const fn listen(self, config: &Config) -> SocketAddr {
        match self {
            Self::Catalog => config.catalog.listen,
            Self::Inventory => config.inventory.listen,
            Self::Order => config.order.listen,
            Self::Payment => config.payment.listen,
        }
    }

    const fn database(self, config: &Config) -> &DatabaseUrl {
        match self {
            Self::Catalog => &config.catalog.database,
            Self::Inventory => &config.inventory.database,
            Self::Order => &config.order.database,
            Self::Payment => &config.payment.database,
        }
    }

    async fn start(
        self,
        config: Config,
        registry: &dyn Registry,
        migrate: bool,
    ) -> Result<RunningService, StartError> {
        if !migrate {
            expect_there(self.name(), self.database(&config))?;
        }
        let deps = deps(&config, migrate);
        Ok(match self {
            Self::Catalog => catalog::start(config.catalog, deps).await?,
            Self::Inventory => inventory::start(config.inventory, deps).await?,
            Self::Payment => payment::start(config.payment, deps).await?,
            Self::Order => {
                let upstreams = order::Upstreams::discover(&config.order, registry)?;
                order::start(config.order, deps, upstreams).await?
            }
        })
    }
}

/// Binds the ports, starts the service, serves until a signal, drains, stops.
pub(crate) async fn run(args: ServeArgs, config: Config) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let name = args.service.name();
    let listener = bind(&format!("{name}.listen"), args.service.listen(&config)).await?;
    let metrics_address = metrics_address(config.telemetry.metrics, args.service)?;
    let metrics_listener = bind("telemetry.metrics", metrics_address).await?;
    let metrics = telemetry::metrics_page().map_err(anyhow::Error::msg)?;
    let registry = config.registry();
    let start = async {
        check_announced(&config, name, listener.local_addr()?).await?;
        let start = args
            .service
            .start(config, registry.as_ref(), !args.no_migrate);
        anyhow::Ok(start.await?)
    };
    let service = match signals.within(start).await {
        Ok(started) => started?,
        Err(code) => return Ok(code),
    };
    let announced = Announced::new(registry.as_ref(), &[(name, listener.local_addr()?)]);

    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "bookstore {} {name} is ready",
        env!("CARGO_PKG_VERSION")
    )?;
    writeln!(out, "  {name:<10} {}", listener.local_addr()?)?;
    writeln!(
        out,
        "  {:<10} http://{}/metrics",
        "metrics",
        metrics_listener.local_addr()?
    )?;
    out.flush()?;
    drop(out);

    let shutdown = CancellationToken::new();
    let server = async {
        let metrics_end = CancellationToken::new();
        let page = metrics.serve(metrics_listener, metrics_end.clone());
        let stop_listening = CancellationToken::new();
        let serving = async {
            tokio::join!(
                service.serve(listener, stop_listening.clone()),
                announced.take_back(&shutdown, &stop_listening),
            );
            service.stop().await;
            metrics_end.cancel();
        };
        tokio::join!(page, serving);
    };
    Ok(signals.guard(Words::DRAIN, shutdown.clone(), server).await)
}

/// Port 0 stays 0: any free port.
fn metrics_address(base: SocketAddr, service: Service) -> Result<SocketAddr, StartError> {
    if base.port() == 0 {
        return Ok(base);
    }
    let port = base.port().checked_add(service.metrics_offset());
    let port = port.ok_or_else(|| StartError::Config {
        key: "telemetry.metrics".to_owned(),
        reason: format!("port {} leaves no room for {}", base.port(), service.name()),
    })?;
    Ok(SocketAddr::new(base.ip(), port))
}
