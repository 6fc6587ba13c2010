use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::{Address, Addresses, Instance, Registration, Registry};

/// A registry of addresses that are given at the start; registrations are ignored.
#[derive(Debug, Clone, Default)]
pub struct StaticRegistry {
    services: BTreeMap<String, Arc<[Address]>>,
}

impl StaticRegistry {
    /// Adds a service and the addresses of all its instances.
    #[must_use]
    pub fn with(mut self, service: &str, addresses: impl Into<Arc<[Address]>>) -> Self {
        self.services.insert(service.to_owned(), addresses.into());
        self
    }
}

impl Registry for StaticRegistry {
    fn watch(&self, service: &str) -> Addresses {
        fixed(self.services.get(service).cloned().unwrap_or_default())
    }

    fn register(&self, _instance: Instance) -> Registration {
        Registration::nowhere()
    }
}

/// Addresses that never change.
pub(crate) fn fixed(addresses: Arc<[Address]>) -> Addresses {
    watch::channel(addresses).1
}
