//! Clients of all four services, for the commands that talk to them.

use platform::config::{ConfigError, ServiceUrl};
use platform::net::Transport;

use crate::config::Config;

/// One client a service.
pub(crate) type Clients = api::Clients<Transport>;

/// Where the services are, each as `host:port`.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) catalog: String,
    pub(crate) inventory: String,
    pub(crate) order: String,
    pub(crate) payment: String,
}

/// Clients of a running system, by the addresses that its services listen on.
pub(crate) fn connect(config: &Config) -> Result<Clients, ConfigError> {
    connect_to(&Addresses {
        catalog: config.catalog.listen.to_string(),
        inventory: config.inventory.listen.to_string(),
        order: config.order.listen.to_string(),
        payment: config.payment.listen.to_string(),
    })
}

/// Clients of the services at these addresses, over connections of their own.
pub(crate) fn connect_to(addresses: &Addresses) -> Result<Clients, ConfigError> {
    let connect = |address: &str| {
        let url: ServiceUrl = format!("http://{address}")
            .parse()
            .map_err(|reason: String| ConfigError::new(address, reason))?;
        Transport::connect(&url)
    };
    Ok(Clients::new([
        connect(&addresses.catalog)?,
        connect(&addresses.inventory)?,
        connect(&addresses.order)?,
        connect(&addresses.payment)?,
    ]))
}
