//! What `up` and `serve` have in common: the ports first, then the services, until a signal; then a drain.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use futures::future::join_all;
use platform::StartError;
use platform::discovery::Registry;
use platform::telemetry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::signal::{Signals, Words};
use crate::config::Config;
use crate::registration::{Announced, check_announced};
use crate::service::Service;
use crate::system::{Started, stop};

/// What `--help` says of both.
pub(super) const EXPLANATION: &str = "\
Ctrl-C or SIGTERM drains: running calls finish, 10 s at most, and nothing that was accepted is lost. A second
one ends the program at once; recovery does the rest at the next start.

Exit codes: 0 drained and stopped; 2 wrong configuration, or a failed start; 130 told twice to stop, or
interrupted before it was ready (143 by SIGTERM).";

/// Binds the ports of `services` and of the metrics page, starts the services by `start`, serves until a
/// signal, drains, stops.
pub(super) async fn run(
    services: &[Service],
    metrics: SocketAddr,
    config: Config,
    start: impl AsyncFnOnce(Config, &dyn Registry) -> Result<Started, StartError>,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let ports = Ports::bind(services, metrics, &config).await?;
    let addresses = ports.addresses()?;
    let page = telemetry::metrics_page().map_err(anyhow::Error::msg)?;
    let registry = config.registry();
    // On the heap: four services' futures are large for a stack.
    let starting = Box::pin(async {
        for (service, listen) in &addresses {
            check_announced(&config, service, *listen).await?;
        }
        anyhow::Ok(start(config, registry.as_ref()).await?)
    });
    let started = match signals.within(starting).await {
        Ok(started) => started?,
        Err(code) => return Ok(code),
    };
    ports.tell()?;
    let announced = Announced::new(registry.as_ref(), &addresses);

    let shutdown = CancellationToken::new();
    let server = async {
        let (stop_listening, metrics_end) = (CancellationToken::new(), CancellationToken::new());
        let page = page.serve(ports.metrics, metrics_end.clone());
        let serving = async {
            tokio::join!(
                serve(&started, ports.services, &stop_listening),
                announced.take_back(&shutdown, &stop_listening),
            );
            stop(started).await;
            metrics_end.cancel();
        };
        tokio::join!(page, serving);
    };
    let server = Box::pin(server);
    Ok(signals.guard(Words::DRAIN, shutdown.clone(), server).await)
}

/// Serves each service on its port until `shutdown`, and then until its running calls are answered.
async fn serve(
    started: &Started,
    ports: Vec<(Service, TcpListener)>,
    shutdown: &CancellationToken,
) {
    let serving = ports.into_iter().filter_map(|(of, listener)| {
        let (_, service) = started.iter().find(|(service, _)| *service == of)?;
        Some(service.serve(listener, shutdown.clone()))
    });
    join_all(serving).await;
}

/// The ports of a process, bound before anything else is done.
struct Ports {
    services: Vec<(Service, TcpListener)>,
    metrics: TcpListener,
}

impl Ports {
    async fn bind(
        services: &[Service],
        metrics: SocketAddr,
        config: &Config,
    ) -> Result<Self, StartError> {
        let mut bound = Vec::with_capacity(services.len());
        for service in services {
            let key = format!("{}.listen", service.name());
            bound.push((*service, bind(&key, service.listen(config)).await?));
        }
        Ok(Self {
            services: bound,
            metrics: bind("telemetry.metrics", metrics).await?,
        })
    }

    /// The services by name, and where each really listens (port 0 means any).
    fn addresses(&self) -> std::io::Result<Vec<(&'static str, SocketAddr)>> {
        let services = self.services.iter();
        services
            .map(|(service, listener)| Ok((service.name(), listener.local_addr()?)))
            .collect()
    }

    /// Says that the process is ready, and where it listens.
    fn tell(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let version = env!("CARGO_PKG_VERSION");
        match &self.services[..] {
            [(alone, _)] => writeln!(out, "bookstore {version} {} is ready", alone.name())?,
            _ => writeln!(out, "bookstore {version} is ready")?,
        }
        for (name, address) in self.addresses()? {
            writeln!(out, "  {name:<10} {address}")?;
        }
        let metrics = self.metrics.local_addr()?;
        writeln!(out, "  {:<10} http://{metrics}/metrics", "metrics")?;
        writeln!(out, "Ctrl-C drains and stops.")?;
        out.flush()
    }
}

/// Binds `address`; `key` names it in the error.
async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let port = |source| StartError::Port {
        key: key.to_owned(),
        address,
        source,
    };
    TcpListener::bind(address).await.map_err(port)
}
