//! Keeps one instance registered until it leaves.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio_util::sync::CancellationToken;

use super::agent::{Agent, ConsulError, Entry};
use crate::clock;
use crate::deadline::Deadline;
use crate::discovery::{Address, Instance};

/// How often the agent is asked whether it still knows the instance: one that was restarted may not, and one
/// whose checks failed for a minute has deregistered it.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How soon an announcement that failed is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// How long leaving may hold up a drain.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// Registers `instance`, registers it again if the agent forgot it, deregisters it at `leave`.
pub(super) async fn keep(agent: Arc<Agent>, instance: Instance, leave: CancellationToken) {
    let mut keeper = Keeper {
        agent,
        instance,
        entry: None,
        is_announced: false,
        is_failing: false,
    };
    while !leave.is_cancelled() {
        let Some(done) = leave.run_until_cancelled(keeper.announce()).await else {
            break;
        };
        let wait = if done.is_ok() {
            LOOK_EVERY
        } else {
            RETRY_EVERY
        };
        keeper.tell(done.as_ref().err());
        leave.run_until_cancelled(clock::pause(wait)).await;
    }
    keeper.take_out().await;
}

struct Keeper {
    agent: Arc<Agent>,
    instance: Instance,
    /// What is registered, determined once.
    entry: Option<Entry>,
    /// Whether this process has registered itself at least once.
    is_announced: bool,
    /// Whether the last round failed: a failure is logged when it begins.
    is_failing: bool,
}

impl Keeper {
    async fn announce(&mut self) -> Result<(), ConsulError> {
        let entry = match &mut self.entry {
            Some(entry) => entry,
            slot => slot.insert(describe(&self.agent, self.instance).await?),
        };
        // At first, whatever is registered under this id is left from an earlier process: it is replaced.
        if self.is_announced && self.agent.knows(&entry.id).await? {
            return Ok(());
        }
        self.agent.register(entry).await?;
        self.is_announced = true;
        tracing::info!(instance = entry.id, agent = %self.agent.url(), "registered");
        Ok(())
    }

    fn tell(&mut self, failure: Option<&ConsulError>) {
        if let Some(error) = failure {
            metrics::counter!("bookstore_consul_failures_total").increment(1);
            if !self.is_failing {
                let service = self.instance.service;
                tracing::warn!(service, %error, "the registration is not sure; trying on");
            }
        }
        self.is_failing = failure.is_some();
    }

    async fn take_out(&self) {
        // Even if no answer ever confirmed it, the agent may have registered the instance.
        let Some(entry) = &self.entry else { return };
        let leaving = Deadline::after(LEAVE_LIMIT).within(self.agent.deregister(&entry.id));
        let reason = match leaving.await {
            Ok(Ok(())) => return tracing::info!(instance = entry.id, "deregistered"),
            Ok(Err(error)) => error.to_string(),
            Err(passed) => passed.to_string(),
        };
        tracing::warn!(
            instance = entry.id,
            reason,
            "not deregistered; the check will find out"
        );
    }
}

/// Refuses a loopback address, unless the agent is on this host too.
pub(super) async fn check_listen(agent: &Agent, listen: SocketAddr) -> Result<(), ConsulError> {
    if !listen.ip().is_loopback() {
        return Ok(());
    }
    let mut found = lookup_host(agent.url().address().as_str())
        .await
        .map_err(|error| unreachable(agent, &error))?;
    if found.any(|address| address.ip().is_loopback()) {
        return Ok(());
    }
    Err(ConsulError::Loopback {
        agent: agent.url().to_string(),
        listen,
    })
}

/// The registration of `instance`.
async fn describe(agent: &Agent, instance: Instance) -> Result<Entry, ConsulError> {
    check_listen(agent, instance.listen).await?;
    let mut ip = instance.listen.ip();
    if ip.is_unspecified() {
        let asked = read_own_ip(agent.url().address()).await;
        ip = asked.map_err(|error| unreachable(agent, &error))?;
    }
    let address = SocketAddr::new(ip, instance.listen.port());
    Ok(Entry {
        // The same after a restart, so that a killed process leaves nothing behind.
        id: format!("{}-{address}", instance.service).replace([':', '[', ']'], "-"),
        service: instance.service,
        host: ip.to_string(),
        port: address.port(),
        address: Address::from(address),
    })
}

fn unreachable(agent: &Agent, error: &io::Error) -> ConsulError {
    ConsulError::Unreachable {
        agent: agent.url().to_string(),
        reason: error.to_string(),
    }
}

/// The local address from which this host reaches `agent`, and so most likely its neighbours too.
async fn read_own_ip(agent: &Address) -> io::Result<IpAddr> {
    let mut failure = None;
    for any in [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ] {
        // Nothing is sent: connecting a datagram socket only picks the route.
        let routed = async {
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(agent.as_str()).await?;
            Ok(socket.local_addr()?.ip())
        };
        match routed.await {
            Ok(ip) => return Ok(ip),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::other("there is no route")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{ConsulConfig, Secret};

    #[tokio::test]
    async fn an_instance_on_all_addresses_is_announced_by_the_one_that_reaches_the_agent() {
        let agent = Agent::new(&ConsulConfig {
            address: "http://127.0.0.1:8500".parse().unwrap(),
            token: Secret::default(),
        });
        let instance = Instance {
            service: "catalog",
            listen: "0.0.0.0:9003".parse().unwrap(),
        };
        let entry = describe(&agent, instance).await.unwrap();
        assert_eq!(entry.id, "catalog-127.0.0.1-9003");
        assert_eq!((entry.host.as_str(), entry.port), ("127.0.0.1", 9003));
        assert_eq!(entry.address.as_str(), "127.0.0.1:9003");
    }

    #[tokio::test]
    async fn an_address_of_this_host_alone_is_told_to_no_agent_elsewhere() {
        let instance = Instance {
            service: "catalog",
            listen: "127.0.0.1:9003".parse().unwrap(),
        };
        for (address, is_told) in [
            ("http://127.0.0.1:8500", true),
            ("http://localhost:8500", true),
            ("http://[::1]:8500", true),
            ("http://192.0.2.1:8500", false),
        ] {
            let agent = Agent::new(&ConsulConfig {
                address: address.parse().unwrap(),
                token: Secret::default(),
            });
            let described = describe(&agent, instance).await;
            assert_eq!(described.is_ok(), is_told, "{described:?}");
        }
    }
}
