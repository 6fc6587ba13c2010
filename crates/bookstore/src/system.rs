//! All services in one process: they call each other without a socket, through the same clients and
//! the same shells as over the network.

use std::net::SocketAddr;
use std::sync::Arc;

use platform::StartError;
use platform::clock::SystemClock;
use platform::db::DatabaseUrl;
use platform::server::{RunningService, ServiceDeps};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clients::Clients;
use crate::config::Config;

/// The four services, started.
pub(crate) struct System {
    catalog: RunningService,
    inventory: RunningService,
    payment: RunningService,
    order: RunningService,
}

/// The ports of the four services, bound before anything else is done.
pub(crate) struct Listeners {
    catalog: TcpListener,
    inventory: TcpListener,
    order: TcpListener,
    payment: TcpListener,
}

/// What services get that they do not make themselves.
pub(crate) fn deps(config: &Config, migrate: bool) -> ServiceDeps {
    ServiceDeps {
        clock: Arc::new(SystemClock),
        locale: config.locale(),
        migrate,
    }
}

/// Binds `address`; `key` names it in the error.
pub(crate) async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let port = |source| StartError::Port {
        key: key.to_owned(),
        address,
        source,
    };
    TcpListener::bind(address).await.map_err(port)
}

/// Refuses a database that is not there, for those who are to make none.
pub(crate) fn expect_there(service: &'static str, url: &DatabaseUrl) -> Result<(), StartError> {
    url.expect_there()
        .map_err(|source| StartError::Database { service, source })
}

impl System {
    /// Starts the services, those first that others call.
    pub(crate) async fn start(config: Config, migrate: bool) -> Result<Self, StartError> {
        if !migrate {
            for (service, url) in config.databases() {
                expect_there(service, url)?;
            }
        }
        let deps = deps(&config, migrate);
        let catalog = catalog::start(config.catalog, deps.clone()).await?;
        let inventory = inventory::start(config.inventory, deps.clone()).await?;
        let payment = payment::start(config.payment, deps.clone()).await?;
        let upstreams = order::Upstreams {
            catalog: catalog.transport(),
            inventory: inventory.transport(),
            payment: payment.transport(),
        };
        let order = order::start(config.order, deps, upstreams).await?;
        Ok(Self {
            catalog,
            inventory,
            payment,
            order,
        })
    }

    /// Clients that call the services in process.
    pub(crate) fn clients(&self) -> Clients {
        Clients::new(
            self.catalog.transport(),
            self.inventory.transport(),
            self.order.transport(),
            self.payment.transport(),
        )
    }

    /// Serves all of them until `shutdown`, and then until their running calls are answered.
    pub(crate) async fn serve(&self, listeners: Listeners, shutdown: &CancellationToken) {
        tokio::join!(
            self.catalog.serve(listeners.catalog, shutdown.clone()),
            self.inventory.serve(listeners.inventory, shutdown.clone()),
            self.order.serve(listeners.order, shutdown.clone()),
            self.payment.serve(listeners.payment, shutdown.clone()),
        );
    }

    /// Stops them, those last that others call.
    pub(crate) async fn stop(self) {
        self.order.stop().await;
        self.payment.stop().await;
        self.inventory.stop().await;
        self.catalog.stop().await;
    }
}

impl Listeners {
    /// Binds all four ports.
    pub(crate) async fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            catalog: bind("catalog.listen", config.catalog.listen).await?,
            inventory: bind("inventory.listen", config.inventory.listen).await?,
            order: bind("order.listen", config.order.listen).await?,
            payment: bind("payment.listen", config.payment.listen).await?,
        })
    }

    /// The services by name, and where each really listens (port 0 means any).
    pub(crate) fn addresses(&self) -> std::io::Result<[(&'static str, SocketAddr); 4]> {
        Ok([
            ("catalog", self.catalog.local_addr()?),
            ("inventory", self.inventory.local_addr()?),
            ("order", self.order.local_addr()?),
            ("payment", self.payment.local_addr()?),
        ])
    }
}
