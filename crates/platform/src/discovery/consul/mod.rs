//! Consul, through its HTTP API v1.

mod agent;
mod follow;
mod keep;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Address, Addresses, ConsulConfig, Instance, Registration, Registry};
use crate::tasks::Tasks;
use agent::Agent;

pub use agent::ConsulError;

/// Services as a Consul agent knows them.
pub struct ConsulRegistry {
    agent: Arc<Agent>,
    tasks: Tasks,
}

impl ConsulRegistry {
    /// The registry behind the agent that `config` names; connections are made when they are needed.
    pub fn new(config: &ConsulConfig) -> Self {
        Self {
            agent: Arc::new(Agent::new(config)),
            tasks: Tasks::new(),
        }
    }

    /// Asks the agent for its cluster's leader: whether Consul works at all.
    ///
    /// # Errors
    /// What went wrong, without the token.
    pub async fn read_leader(&self) -> Result<String, ConsulError> {
        self.agent.read_leader().await
    }

    /// Whether an instance that listens there can be announced: a loopback address cannot, to an agent on
    /// another host. If that cannot be determined now, the announcement will.
    ///
    /// # Errors
    /// [`ConsulError::Loopback`] alone.
    pub async fn check_listen(&self, listen: SocketAddr) -> Result<(), ConsulError> {
        match keep::check_listen(&self.agent, listen).await {
            Err(error @ ConsulError::Loopback { .. }) => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    /// Asks the agent once for the healthy instances of `service`.
    ///
    /// # Errors
    /// What went wrong, without the token.
    pub async fn read_healthy(&self, service: &str) -> Result<Vec<Address>, ConsulError> {
        Ok(self.agent.read_healthy(service, 0).await?.addresses)
    }
}

impl Registry for ConsulRegistry {
    fn watch(&self, service: &str) -> Addresses {
        let (known, addresses) = watch::channel(Arc::default());
        let following = follow::follow(Arc::clone(&self.agent), service.to_owned(), known);
        self.tasks.spawn("follow_consul", following);
        addresses
    }

    /// Registers the instance as soon as the agent can be reached, and again whenever the agent
    /// has forgotten it.
    fn register(&self, instance: Instance) -> Registration {
        let leave = CancellationToken::new();
        let keeping = keep::keep(Arc::clone(&self.agent), instance, leave.clone());
        let kept = self.tasks.run("keep_registration", keeping);
        Registration::new(leave, async {
            // A keeper that died has been logged, and Consul's own check finds the instance gone.
            drop(kept.await);
        })
    }
}
