//! The two ways a shop stands while it is crashed: one process on SQLite, or four on servers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use bookstore_e2e::{Layout, Service, Shop, ShopPlan, program_with_crash_points};
use testkit::servers::{MysqlServer, RedisServer, mysql};

/// How many databases the stage's Redis has: two a shop, taken in turn.
const REDIS_DATABASES: usize = 4096;

/// Where shops are opened.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    program: PathBuf,
    servers: Option<Servers>,
}

struct Servers {
    mysql: &'static MysqlServer,
    redis: RedisServer,
    shops: AtomicUsize,
}

impl Stage {
    /// `bookstore up` on SQLite: all services in a process, a crash takes them all.
    pub(crate) fn sqlite() -> anyhow::Result<Self> {
        Ok(Self {
            name: "sqlite",
            program: program_with_crash_points()?,
            servers: None,
        })
    }

    /// A process a service, on MariaDB and Redis: a crash takes one, the others go on. `None` where
    /// there are no servers.
    pub(crate) async fn servers() -> anyhow::Result<Option<Self>> {
        let databases = REDIS_DATABASES.to_string();
        let redis = RedisServer::start_with(&["--databases", &databases]).await?;
        let (Some(mysql), Some(redis)) = (mysql().await?, redis) else {
            return Ok(None);
        };
        Ok(Some(Self {
            name: "servers",
            program: program_with_crash_points()?,
            servers: Some(Servers {
                mysql,
                redis,
                shops: AtomicUsize::new(0),
            }),
        }))
    }

    /// Whether shops stand on servers.
    pub(crate) const fn is_on_servers(&self) -> bool {
        self.servers.is_some()
    }

    /// The processes of a shop, those last that others call.
    pub(crate) fn processes(&self) -> &'static [Option<Service>] {
        match self.servers {
            None => &[None],
            Some(_) => &[
                Some(Service::Order),
                Some(Service::Payment),
                Some(Service::Inventory),
                Some(Service::Catalog),
            ],
        }
    }

    /// Prepares a shop with these settings, and starts nothing.
    pub(crate) async fn prepare(
        &self,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<(Shop, Databases)> {
        let mut plan = Shop::plan()
            .program(self.program.clone())
            .quiet()
            .set("TELEMETRY__LOG", "warn");
        for (path, value) in settings {
            plan = plan.set(path, value);
        }
        let mut databases = Databases::default();
        let Some(servers) = &self.servers else {
            return Ok((Shop::closed(plan, Layout::Together)?, databases));
        };
        let plan = servers.furnish(plan, &mut databases).await?;
        Ok((Shop::closed(plan, Layout::Apart)?, databases))
    }

    /// Throws away what a shop left on the servers.
    pub(crate) async fn clear(&self, databases: Databases) -> anyhow::Result<()> {
        let Some(servers) = &self.servers else {
            return Ok(());
        };
        for name in databases.0 {
            let drop = format!("DROP DATABASE {name}");
            servers.mysql.execute(&drop).await?;
        }
        Ok(())
    }
}

/// The databases of one shop on the servers.
#[derive(Default)]
pub(crate) struct Databases(Vec<String>);

impl Servers {
    async fn furnish(&self, plan: ShopPlan, databases: &mut Databases) -> anyhow::Result<ShopPlan> {
        let turn = self.shops.fetch_add(1, Ordering::SeqCst) * 2 % REDIS_DATABASES;
        let redis = |number: usize| format!("{}/{}", self.redis.url(), turn + number);
        let mut plan = plan
            .set("ORDER__DELAY_QUEUE", &redis(0))
            .set("CATALOG__CACHE", &redis(1));
        for service in Service::ALL {
            let url = self.mysql.new_database().await?.to_string();
            let (_, name) = url.rsplit_once('/').context("a URL without a database")?;
            databases.0.push(name.to_owned());
            let key = format!("{}__DATABASE", service.name().to_uppercase());
            plan = plan.set(&key, &url);
        }
        Ok(plan)
    }
}
