//! The four services, and where what belongs to each is found.

use std::net::SocketAddr;

use clap::ValueEnum;
use platform::StartError;
use platform::db::{DatabaseUrl, DbError, Migration};

use crate::config::Config;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Catalog,
    Inventory,
    Order,
    Payment,
}

impl Service {
    /// All of them, in the order in which people read of them: that of their ports.
    pub(crate) const ALL: [Self; 4] = [Self::Catalog, Self::Inventory, Self::Order, Self::Payment];

    /// The service's name, and its key in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
        }
    }

    /// Where it listens.
    pub(crate) const fn listen(self, config: &Config) -> SocketAddr {
        match self {
            Self::Catalog => config.catalog.listen,
            Self::Inventory => config.inventory.listen,
            Self::Order => config.order.listen,
            Self::Payment => config.payment.listen,
        }
    }

    /// Its database.
    pub(crate) const fn database(self, config: &Config) -> &DatabaseUrl {
        match self {
            Self::Catalog => &config.catalog.database,
            Self::Inventory => &config.inventory.database,
            Self::Order => &config.order.database,
            Self::Payment => &config.payment.database,
        }
    }

    /// The schema of its database.
    pub(crate) const fn migrations(self) -> &'static [Migration] {
        match self {
            Self::Catalog => catalog::MIGRATIONS,
            Self::Inventory => inventory::MIGRATIONS,
            Self::Order => order::MIGRATIONS,
            Self::Payment => payment::MIGRATIONS,
        }
    }

    /// Where its metrics page is when it runs by itself: on a port of its own, so that four services fit on
    /// one host. Port 0 stays 0: any free port.
    pub(crate) fn metrics(self, config: &Config) -> Result<SocketAddr, StartError> {
        let base = config.telemetry.metrics;
        if base.port() == 0 {
            return Ok(base);
        }
        let offset = match self {
            Self::Catalog => 3,
            Self::Inventory => 4,
            Self::Order => 5,
            Self::Payment => 6,
        };
        let port = base.port().checked_add(offset);
        let port = port.ok_or_else(|| StartError::Config {
            key: "telemetry.metrics".to_owned(),
            reason: format!("port {} leaves no room for {}", base.port(), self.name()),
        })?;
        Ok(SocketAddr::new(base.ip(), port))
    }

    /// Refuses a database that is not there, for those who are to make none.
    pub(crate) fn expect_database(self, config: &Config) -> Result<(), StartError> {
        let there = self.database(config).expect_there();
        there.map_err(|source| self.database_error(source))
    }

    /// What is wrong with its database.
    pub(crate) fn database_error(self, source: DbError) -> StartError {
        StartError::Database {
            service: self.name(),
            source,
        }
    }
}
