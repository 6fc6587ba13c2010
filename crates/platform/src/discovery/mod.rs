//! Service discovery: the healthy instances of a service, as they come and go.
//!
//! A [`Registry`] gives addresses to callers ([`Registry::watch`], which
//! [`crate::net::Transport::discover`] balances over) and announces the instances that they call
//! ([`Registry::register`]). Why calls go on while a registry is away:
//! docs/adr/0015-own-balancer-and-registry.md.

mod address;
mod config;
mod consul;
mod fixed;

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use address::Address;
pub use config::{ConsulConfig, ConsulUrl, Discovery, Secret};
pub use consul::{ConsulError, ConsulRegistry};
pub use fixed::StaticRegistry;

/// The addresses of a service as they are known now. Empty: none is known yet.
///
/// A known list is never replaced by an empty one: instances that are still there are called, and
/// those that are gone are found out by the call.
pub type Addresses = watch::Receiver<Arc<[Address]>>;

/// Knows where services are.
pub trait Registry: Send + Sync + 'static {
    /// Follows the healthy instances of `service`, until the last receiver is dropped.
    fn watch(&self, service: &str) -> Addresses;

    /// Announces an instance that answers calls from now on; the returned [`Registration`] withdraws it.
    fn register(&self, instance: Instance) -> Registration;
}

/// One process' service, as it is announced.
#[derive(Debug, Clone, Copy)]
pub struct Instance {
    /// The service's name: `catalog`.
    pub service: &'static str,
    /// Where it listens. An unspecified address (0.0.0.0) is announced as the one by which this
    /// host reaches the registry.
    pub listen: SocketAddr,
}

/// An announcement. Leaving withdraws it and waits for that; dropping it only withdraws it.
#[must_use = "an announcement that is dropped is taken back"]
pub struct Registration {
    leave: DropGuard,
    left: BoxFuture<'static, ()>,
}

impl Registration {
    /// An announcement that nobody heard, and that needs no withdrawing.
    pub fn nowhere() -> Self {
        Self::new(CancellationToken::new(), async {})
    }

    /// `left` ends once the keeper of the announcement has seen `leave` and withdrawn it.
    pub fn new(leave: CancellationToken, left: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            leave: leave.drop_guard(),
            left: Box::pin(left),
        }
    }

    /// Withdraws the announcement; returns when that is done, or was given up on.
    pub async fn leave(self) {
        let Self { leave, left } = self;
        drop(leave);
        left.await;
    }
}

/// The registry that the configuration asks for.
pub fn open(discovery: Discovery, consul: &ConsulConfig) -> Arc<dyn Registry> {
    match discovery {
        Discovery::Static => Arc::new(StaticRegistry::default()),
        Discovery::Consul => Arc::new(ConsulRegistry::new(consul)),
    }
}
