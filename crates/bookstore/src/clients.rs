//! Clients of all four services, for the commands that talk to them.

use api::catalog::v1::catalog_service_client::CatalogServiceClient;
use api::inventory::v1::inventory_service_client::InventoryServiceClient;
use api::order::v1::order_service_client::OrderServiceClient;
use api::payment::v1::payment_service_client::PaymentServiceClient;
use platform::config::{ConfigError, ServiceUrl};
use platform::net::Transport;

use crate::config::Config;

/// A page of 100 books with the longest descriptions fits.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where the services are, each as `host:port`.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) catalog: String,
    pub(crate) inventory: String,
    pub(crate) order: String,
    pub(crate) payment: String,
}

/// One client a service.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) catalog: CatalogServiceClient<Transport>,
    pub(crate) inventory: InventoryServiceClient<Transport>,
    pub(crate) order: OrderServiceClient<Transport>,
    pub(crate) payment: PaymentServiceClient<Transport>,
}

impl Clients {
    /// Clients over the given ways to the services.
    pub(crate) fn new(
        catalog: Transport,
        inventory: Transport,
        order: Transport,
        payment: Transport,
    ) -> Self {
        Self {
            catalog: CatalogServiceClient::new(catalog).max_decoding_message_size(REPLY_BYTES_MAX),
            inventory: InventoryServiceClient::new(inventory),
            order: OrderServiceClient::new(order).max_decoding_message_size(REPLY_BYTES_MAX),
            payment: PaymentServiceClient::new(payment),
        }
    }

    /// Clients of a running system, by the addresses that its services listen on.
    pub(crate) fn connect(config: &Config) -> Result<Self, ConfigError> {
        Self::connect_to(&Addresses {
            catalog: config.catalog.listen.to_string(),
            inventory: config.inventory.listen.to_string(),
            order: config.order.listen.to_string(),
            payment: config.payment.listen.to_string(),
        })
    }

    /// Clients of the services at these addresses, over connections of their own.
    pub(crate) fn connect_to(addresses: &Addresses) -> Result<Self, ConfigError> {
        let connect = |address: &str| {
            let url: ServiceUrl = format!("http://{address}")
                .parse()
                .map_err(|reason: String| ConfigError::new(address, reason))?;
            Transport::connect(&url)
        };
        Ok(Self::new(
            connect(&addresses.catalog)?,
            connect(&addresses.inventory)?,
            connect(&addresses.order)?,
            connect(&addresses.payment)?,
        ))
    }
}
