//! Two replicas of every service on the same stores: MariaDB and Redis.

use anyhow::Context;
use futures::future::try_join;
use platform::db::DatabaseUrl;
use testkit::servers::{RedisServer, mysql};
use tokio::sync::{Mutex, MutexGuard};

use crate::clients::Clients;
use crate::shop::{Layout, Service, Shop};

/// Eight processes at a time are enough for a small machine.
static TURN: Mutex<()> = Mutex::const_new(());

/// Two replicas of each of the four services.
pub struct Twice {
    /// The one and the other: a process a service each.
    pub replicas: [Shop; 2],
    /// Where their deadlines wait and their books are cached.
    pub redis: RedisServer,
    databases: Vec<(Service, DatabaseUrl)>,
    _turn: MutexGuard<'static, ()>,
}

impl Twice {
    /// Starts all eight at once, on empty databases; `None` where there are no servers.
    ///
    /// # Errors
    /// Where they do not start.
    pub async fn open(settings: &[(&str, &str)]) -> anyhow::Result<Option<Self>> {
        let turn = TURN.lock().await;
        let (Some(mysql), Some(redis)) = (mysql().await?, RedisServer::start().await?) else {
            return Ok(None);
        };
        let plan = || Shop::plan().set("TELEMETRY__LOG", "warn");
        let mut replicas = [
            Shop::closed(plan(), Layout::Apart)?,
            Shop::closed(plan(), Layout::Apart)?,
        ];
        let mut shared = vec![
            ("CATALOG__CACHE".to_owned(), format!("{}/1", redis.url())),
            ("ORDER__DELAY_QUEUE".to_owned(), redis.url().to_owned()),
            ("PAYMENT__MOCK__SUCCESS_RATE".to_owned(), "1".to_owned()),
        ];
        let mut databases = Vec::new();
        for service in Service::ALL {
            let name = service.name().to_uppercase();
            let database = mysql.new_database_setting().await?;
            databases.push((service, database.parse().map_err(anyhow::Error::msg)?));
            shared.push((format!("{name}__DATABASE"), database));
            if service != Service::Order {
                let url = |shop: &Shop| format!("http://127.0.0.1:{}", shop.port(service));
                let both = replicas.each_ref().map(url).join(",");
                shared.push((format!("ORDER__{name}"), both));
            }
        }
        for shop in &mut replicas {
            let common = shared.iter().map(|(path, value)| (&**path, &**value));
            for (path, value) in common.chain(settings.iter().copied()) {
                shop.set(path, value);
            }
        }
        let [first, second] = &mut replicas;
        try_join(first.start(), second.start()).await?;
        Ok(Some(Self {
            replicas,
            redis,
            databases,
            _turn: turn,
        }))
    }

    /// The database that both replicas of a service share.
    ///
    /// # Errors
    /// Where it has none.
    pub fn database(&self, service: Service) -> anyhow::Result<&DatabaseUrl> {
        let mut databases = self.databases.iter();
        let found = databases.find(|(who, _)| *who == service);
        found.map(|(_, url)| url).context("no database")
    }

    /// Clients of each replica.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn each(&self) -> anyhow::Result<[Clients; 2]> {
        let [first, second] = &self.replicas;
        Ok([first.clients()?, second.clients()?])
    }

    /// Clients whose every call goes to one replica or the other.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn spread(&self) -> anyhow::Result<Clients> {
        let ports = |service| self.replicas.each_ref().map(|shop| shop.port(service));
        Clients::spread([
            ports(Service::Catalog),
            ports(Service::Inventory),
            ports(Service::Order),
            ports(Service::Payment),
        ])
    }

    /// Runs the auditor, which must find nothing wrong within 30 s.
    ///
    /// # Errors
    /// What it found.
    pub async fn expect_clean(&self) -> anyhow::Result<()> {
        self.replicas[0].expect_clean().await
    }
}
