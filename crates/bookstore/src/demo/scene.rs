//! The system that the demonstration is played on: one that runs, or one of its own.

use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use payment::gateway::Rate;
use platform::config::{CacheUrl, QueueUrl};
use platform::db::DatabaseUrl;
use tempfile::TempDir;

use crate::clients::{self, Clients};
use crate::config::Config;
use crate::health::find_unwell;
use crate::service::Service;
use crate::system::System;

/// How long orders wait for their payment in a system of our own: short enough to watch one expire,
/// long enough to pay the others on a busy machine.
const OWN_PAYMENT_TIMEOUT: Duration = Duration::from_secs(4);

/// Which system to play on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// The one that runs on the configured ports
    Running,
    /// One of its own, in process, in a temporary folder, without ports
    Own,
}

/// The system, ready to be called.
pub(crate) enum Scene {
    /// One that runs, and where.
    Running {
        clients: Box<Clients>,
        addresses: String,
    },
    /// One of our own.
    Own {
        system: Box<System>,
        folder: TempDir,
        /// Whether it was asked for; else nothing runs on the configured ports.
        is_asked_for: bool,
    },
}

impl Scene {
    /// Finds the system that `against` names; where it names none, the running one or else our own.
    ///
    /// # Errors
    /// A running system that was asked for and does not answer; one of our own that cannot start.
    pub(crate) async fn set(against: Option<Against>, config: Config) -> anyhow::Result<Self> {
        if against == Some(Against::Own) {
            return Self::start(config, true).await;
        }
        let clients = clients::connect(&config)?;
        let services = addresses(&config);
        let unwell = find_unwell(&services).await;
        if unwell.is_empty() {
            let addresses = services.map(|(_, address)| address).join(" ");
            return Ok(Self::Running {
                clients: Box::new(clients),
                addresses,
            });
        }
        if against.is_none() && unwell.len() == services.len() {
            return Self::start(config, false).await;
        }
        // Half a system is no stage, and one of our own beside it would hide that.
        anyhow::bail!(
            "{}; `--against own` needs no running system",
            unwell.join(", ")
        )
    }

    async fn start(config: Config, is_asked_for: bool) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("bookstore-demo-").context("a temporary folder")?;
        let system = System::start(own_config(config, &folder), true).await?;
        Ok(Self::Own {
            system: Box::new(system),
            folder,
            is_asked_for,
        })
    }

    /// Clients of the system.
    pub(crate) fn clients(&self) -> Clients {
        match self {
            Self::Running { clients, .. } => clients.as_ref().clone(),
            Self::Own { system, .. } => system.clients(),
        }
    }

    /// Stops a system of our own, and removes its folder.
    pub(crate) async fn strike(self) {
        if let Self::Own { system, folder, .. } = self {
            system.stop().await;
            if let Err(error) = folder.close() {
                tracing::warn!(%error, "the temporary folder was not removed");
            }
        }
    }

    /// How long an order of our own system waits for its payment; `None` of one that runs.
    pub(super) const fn own_payment_timeout(&self) -> Option<Duration> {
        match self {
            Self::Running { .. } => None,
            Self::Own { .. } => Some(OWN_PAYMENT_TIMEOUT),
        }
    }
}

/// `config` with stores of its own, and a gateway that answers at once: luck alone refuses.
fn own_config(mut config: Config, folder: &TempDir) -> Config {
    let database = |name: &str| DatabaseUrl::sqlite(folder.path().join(name));
    config.catalog.database = database("catalog.db");
    config.catalog.cache = CacheUrl::Memory;
    config.inventory.database = database("inventory.db");
    config.order.database = database("order.db");
    config.order.delay_queue = QueueUrl::Embedded;
    config.order.payment_timeout = OWN_PAYMENT_TIMEOUT;
    config.payment.database = database("payment.db");
    config.payment.mock.latency = Duration::ZERO;
    config.payment.mock.hang_rate = Rate::NEVER;
    config.payment.mock.lose_answer_rate = Rate::NEVER;
    config
}

fn addresses(config: &Config) -> [(&'static str, String); 4] {
    Service::ALL.map(|service| (service.name(), service.listen(config).to_string()))
}
