//! Services started in this process: all four, which call each other without a socket, through the same
//! clients and the same shells as over the network; or one, which finds the others where they are.

use std::sync::Arc;

use platform::StartError;
use platform::clock::SystemClock;
use platform::discovery::Registry;
use platform::server::{RunningService, ServiceDeps};

use crate::clients::Clients;
use crate::config::Config;
use crate::service::Service;

/// The four services, started.
pub(crate) struct System {
    catalog: RunningService,
    inventory: RunningService,
    payment: RunningService,
    order: RunningService,
}

/// Services of this process, those first that others call.
pub(crate) type Started = Vec<(Service, RunningService)>;

impl System {
    /// Starts the services, those first that others call.
    pub(crate) async fn start(config: Config, migrate: bool) -> Result<Self, StartError> {
        if !migrate {
            for service in Service::ALL {
                service.expect_database(&config)?;
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
        Clients::new([
            self.catalog.transport(),
            self.inventory.transport(),
            self.order.transport(),
            self.payment.transport(),
        ])
    }

    /// Stops the services.
    pub(crate) async fn stop(self) {
        stop(self.into()).await;
    }
}

impl From<System> for Started {
    fn from(system: System) -> Self {
        vec![
            (Service::Catalog, system.catalog),
            (Service::Inventory, system.inventory),
            (Service::Payment, system.payment),
            (Service::Order, system.order),
        ]
    }
}

/// Starts `service` alone; order finds the others by `registry`.
pub(crate) async fn start_one(
    service: Service,
    config: Config,
    registry: &dyn Registry,
    migrate: bool,
) -> Result<RunningService, StartError> {
    if !migrate {
        service.expect_database(&config)?;
    }
    let deps = deps(&config, migrate);
    Ok(match service {
        Service::Catalog => catalog::start(config.catalog, deps).await?,
        Service::Inventory => inventory::start(config.inventory, deps).await?,
        Service::Payment => payment::start(config.payment, deps).await?,
        Service::Order => {
            let upstreams = order::Upstreams::discover(&config.order, registry)?;
            order::start(config.order, deps, upstreams).await?
        }
    })
}

/// Stops services, those last that others call.
pub(crate) async fn stop(started: Started) {
    for (_, service) in started.into_iter().rev() {
        service.stop().await;
    }
}

/// What services get that they do not make themselves.
fn deps(config: &Config, migrate: bool) -> ServiceDeps {
    ServiceDeps {
        clock: Arc::new(SystemClock),
        locale: config.locale(),
        migrate,
    }
}
