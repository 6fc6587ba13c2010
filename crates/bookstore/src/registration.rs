//! A server's announcements: made when it listens, taken back before it stops listening.

use std::net::SocketAddr;

use futures::future::join_all;
use platform::StartError;
use platform::discovery::{ConsulRegistry, Discovery, Instance, Registration, Registry};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Refuses a service that others would look for on their own host.
pub(crate) async fn check_announced(
    config: &Config,
    service: &str,
    listen: SocketAddr,
) -> Result<(), StartError> {
    if config.discovery == Discovery::Static {
        return Ok(());
    }
    let registry = ConsulRegistry::new(&config.consul);
    let checked = registry.check_listen(listen).await;
    checked.map_err(|error| StartError::Config {
        key: format!("{service}.listen"),
        reason: error.to_string(),
    })
}

/// The services of this process, as others are told of them.
pub(crate) struct Announced(Vec<Registration>);

impl Announced {
    /// Announces `services`, each with where it listens.
    pub(crate) fn new(registry: &dyn Registry, services: &[(&'static str, SocketAddr)]) -> Self {
        let register = |&(service, listen): &_| registry.register(Instance { service, listen });
        Self(services.iter().map(register).collect())
    }

    /// Waits for `shutdown`, takes the announcements back, and only then fires `stop_listening`:
    /// whoever still looks us up is sent elsewhere rather than to a closed port.
    pub(crate) async fn take_back(
        self,
        shutdown: &CancellationToken,
        stop_listening: &CancellationToken,
    ) {
        shutdown.cancelled().await;
        join_all(self.0.into_iter().map(Registration::leave)).await;
        stop_listening.cancel();
    }
}
