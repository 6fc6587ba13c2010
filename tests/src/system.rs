//! One story for every way to run the system: in one process, with a process a service, and with
//! two replicas of each service on MariaDB and Redis.

use futures::future::try_join;
use platform::db::DatabaseUrl;

use crate::clients::Clients;
use crate::shop::{Layout, Service, Shop};
use crate::twice::Twice;

/// A running system, however it is spread.
pub enum System {
    /// On SQLite, with one instance of each service.
    Alone(Shop),
    /// On MariaDB and Redis, with two.
    Twice(Box<Twice>),
}

impl System {
    /// One instance of each service on SQLite, with a mock that refuses nobody unless `settings` say
    /// otherwise.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn alone(layout: Layout, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let willing = Shop::plan().set("PAYMENT__MOCK__SUCCESS_RATE", "1");
        let plan = settings
            .iter()
            .fold(willing, |plan, (path, value)| plan.set(path, value));
        Ok(Self::Alone(plan.start(layout).await?))
    }

    /// Two replicas of each service on MariaDB and Redis, with such a mock too; `None` where there are
    /// no servers.
    ///
    /// # Errors
    /// Where they do not start.
    pub async fn twice(settings: &[(&str, &str)]) -> anyhow::Result<Option<Self>> {
        let twice = Twice::open(settings).await?;
        Ok(twice.map(|twice| Self::Twice(Box::new(twice))))
    }

    /// Clients whose every call goes to any instance.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn clients(&self) -> anyhow::Result<Clients> {
        match self {
            Self::Alone(shop) => shop.clients(),
            Self::Twice(twice) => twice.spread(),
        }
    }

    /// Clients of one instance of each service: those whose `turn` it is.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn clients_in_turn(&self, turn: usize) -> anyhow::Result<Clients> {
        match self {
            Self::Alone(shop) => shop.clients(),
            Self::Twice(twice) => twice.replicas[turn % 2].clients(),
        }
    }

    /// Kills every process with SIGKILL.
    ///
    /// # Errors
    /// Where one could not be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.shops().iter_mut().try_for_each(Shop::kill)
    }

    /// Kills all instances of a service with SIGKILL; the others go on.
    ///
    /// # Errors
    /// Where one has no process of its own.
    pub fn kill_all_of(&mut self, service: Service) -> anyhow::Result<()> {
        let mut shops = self.shops().iter_mut();
        shops.try_for_each(|shop| shop.kill_one(service))
    }

    /// Starts what is not running, where it was before.
    ///
    /// # Errors
    /// Where a process ends before it is ready.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        match self.shops() {
            [first, second] => try_join(first.start(), second.start()).await.map(|_| ()),
            shops => {
                for shop in shops {
                    shop.start().await?;
                }
                Ok(())
            }
        }
    }

    /// Runs the auditor, which must find nothing wrong within 30 s.
    ///
    /// # Errors
    /// What it found.
    pub async fn expect_clean(&self) -> anyhow::Result<()> {
        match self {
            Self::Alone(shop) => shop.expect_clean().await,
            Self::Twice(twice) => twice.expect_clean().await,
        }
    }

    /// The database of a service.
    ///
    /// # Errors
    /// Where it has none.
    pub fn database(&self, service: Service) -> anyhow::Result<DatabaseUrl> {
        match self {
            Self::Alone(shop) => shop.database(service),
            Self::Twice(twice) => twice.database(service).cloned(),
        }
    }

    fn shops(&mut self) -> &mut [Shop] {
        match self {
            Self::Alone(shop) => std::slice::from_mut(shop),
            Self::Twice(twice) => &mut twice.replicas,
        }
    }
}
