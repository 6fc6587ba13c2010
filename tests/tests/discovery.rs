//! Proves: with several instances of a service, orders go on while instances are killed, frozen,
//! drained and started again, found over a fixed list and over a real Consul agent; and that
//! mistakes in how they are to be found are named.
//!
//! `BOOKSTORE_TEST_CONSUL_BIN` names the agent's binary; without it the test on Consul is left out, with
//! a clear line. `BOOKSTORE_REQUIRE_CONSUL=1` makes that a failure.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::ensure;
use bookstore_e2e::goods::order;
use bookstore_e2e::{Clients, Layout, Service, Shop, ShopPlan, run_to_end};
use platform::discovery::{Addresses, ConsulConfig, ConsulRegistry, Registry, Secret};
use testkit::servers::{ConsulServer, consul};
use testkit::{eventually, free_port};

/// How often a customer asks at the most, under the same key, where a call is not answered.
const TRIES: usize = 3;

/// One more process of a service; it dies with this value.
struct Replica {
    child: Child,
    stdout: PathBuf,
}

impl Replica {
    /// Starts `service` once more, listening on `port`; 0 is any.
    async fn start(shop: &Shop, service: Service, port: u16) -> anyhow::Result<Self> {
        let name = service.name();
        let stdout = shop.folder().join(format!("{name}-{port}.out"));
        let mut command = shop.command(&["serve", name])?;
        let listen = format!("BOOKSTORE_{}__LISTEN", name.to_uppercase());
        let child = command
            .env(listen, format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(Stdio::null())
            .spawn()?;
        let replica = Self { child, stdout };
        eventually("the replica is ready", || async {
            let said = std::fs::read_to_string(&replica.stdout).ok()?;
            said.contains("/metrics\n").then_some(())
        })
        .await;
        Ok(replica)
    }

    /// Sends a signal by its name, as `STOP`.
    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let order = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &order]).status()?;
        ensure!(status.success(), "cannot send SIG{name}");
        Ok(())
    }

    /// Has it drain, and waits until it has ended.
    async fn drain(mut self) -> anyhow::Result<()> {
        self.signal("TERM")?;
        let status = eventually("the replica has ended", || {
            let ended = self.child.try_wait();
            async move { ended.transpose() }
        })
        .await?;
        ensure!(status.success(), "{status}");
        Ok(())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn patient() -> ShopPlan {
    Shop::plan().set("PAYMENT__MOCK__SUCCESS_RATE", "1")
}

/// Makes `count` orders, each asked for a few times at the most.
async fn place_all(clients: &Clients, story: &str, book: u64, count: usize) -> anyhow::Result<()> {
    for number in 0..count {
        let request = order(1, &[(book, 1)], &format!("{story}-{number}"));
        let mut tries = 0;
        let reply = loop {
            tries += 1;
            match clients.call(request.clone()).await {
                Ok(reply) => break reply,
                Err(status) => ensure!(tries < TRIES, "{story} {number}: {status}"),
            }
        };
        ensure!(reply.code == 0, "{story} {number}: {reply:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_on_over_a_fixed_list_while_instances_die() -> anyhow::Result<()> {
    let (first, second) = (free_port()?, free_port()?);
    let both = format!("http://127.0.0.1:{first},http://127.0.0.1:{second}");
    let shop = patient()
        .set("ORDER__CATALOG", &both)
        .start(Layout::Apart)
        .await?;
    let clients = shop.clients()?;
    let book = clients.stocked(1000, 1000).await?;
    let a = Replica::start(&shop, Service::Catalog, first).await?;
    let b = Replica::start(&shop, Service::Catalog, second).await?;

    place_all(&clients, "two are there", book, 10).await?;
    drop(a);
    place_all(&clients, "one was killed", book, 20).await?;
    let a = Replica::start(&shop, Service::Catalog, first).await?;
    b.signal("STOP")?;
    place_all(&clients, "the other is frozen", book, 10).await?;
    b.signal("CONT")?;
    place_all(&clients, "it has thawed", book, 10).await?;
    b.drain().await?;
    place_all(&clients, "it has drained", book, 10).await?;
    drop(a);
    shop.expect_clean().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_on_over_consul_while_instances_and_consul_die() -> anyhow::Result<()> {
    let Some(mut consul) = consul().await? else {
        return Ok(());
    };
    let plan = patient()
        .set("DISCOVERY", "consul")
        .set("CONSUL__ADDRESS", &consul.url())
        .set("ORDER__CATALOG", "consul://catalog")
        .set("ORDER__INVENTORY", "consul://inventory")
        .set("ORDER__PAYMENT", "consul://payment");
    let mut shop = plan.start(Layout::Apart).await?;
    let clients = shop.clients()?;
    let book = clients.stocked(1000, 1000).await?;
    let catalog = Replica::start(&shop, Service::Catalog, 0).await?;
    let inventory = Replica::start(&shop, Service::Inventory, 0).await?;
    let watched = Watched::new(&consul)?;
    watched.until(2, 2).await;

    place_all(&clients, "two are there", book, 10).await?;
    shop.kill_one(Service::Catalog)?;
    shop.kill_one(Service::Inventory)?;
    place_all(&clients, "one of each was killed", book, 20).await?;
    watched.until(1, 1).await;
    shop.start().await?;
    watched.until(2, 2).await;
    place_all(&clients, "they are back", book, 10).await?;
    catalog.signal("STOP")?;
    place_all(&clients, "one is frozen", book, 10).await?;
    catalog.signal("CONT")?;

    consul.stop();
    place_all(&clients, "consul is away", book, 10).await?;
    consul.start().await?;
    Watched::new(&consul)?.until(2, 2).await;
    catalog.drain().await?;
    inventory.drain().await?;
    // Who drains has taken itself out before it ends.
    Watched::new(&consul)?.until(1, 1).await;
    place_all(&clients, "some have drained", book, 10).await?;

    let doctor = shop.run(&["doctor"]).await?;
    ensure!(
        doctor.stdout.contains("consul.address"),
        "{}",
        doctor.stdout
    );
    shop.expect_clean().await
}

/// What Consul says of the two services that have replicas.
struct Watched {
    _registry: ConsulRegistry,
    catalog: Addresses,
    inventory: Addresses,
}

impl Watched {
    fn new(consul: &ConsulServer) -> anyhow::Result<Self> {
        let registry = ConsulRegistry::new(&ConsulConfig {
            address: consul.url().parse().map_err(anyhow::Error::msg)?,
            token: Secret::default(),
        });
        let (catalog, inventory) = (registry.watch("catalog"), registry.watch("inventory"));
        Ok(Self {
            _registry: registry,
            catalog,
            inventory,
        })
    }

    async fn until(&self, catalogs: usize, inventories: usize) {
        eventually("so many instances are well", || async {
            let counts = (self.catalog.borrow().len(), self.inventory.borrow().len());
            (counts == (catalogs, inventories)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_mistake_in_how_services_are_found_is_named_and_shows_no_token() -> anyhow::Result<()> {
    let shop = Shop::closed(Shop::plan(), Layout::Together)?;
    let cases = [
        (
            "ORDER__CATALOG",
            "consul://catalog",
            "order.catalog: consul://catalog needs discovery: consul",
        ),
        (
            "ORDER__CATALOG",
            "consul://Catalog!",
            "BOOKSTORE_ORDER__CATALOG: consul:// is followed by",
        ),
        (
            "ORDER__PAYMENT",
            "http://a:1,b:2",
            "BOOKSTORE_ORDER__PAYMENT: must be http://HOST:PORT",
        ),
        (
            "DISCOVERY",
            "dns",
            "BOOKSTORE_DISCOVERY: unknown variant, must be `static` or `consul`",
        ),
        (
            "CONSUL__ADDRESS",
            "127.0.0.1",
            "BOOKSTORE_CONSUL__ADDRESS: must be http://HOST:PORT",
        ),
        (
            "CONSUL",
            "hush-hush",
            "BOOKSTORE_CONSUL: must be a section, not a text",
        ),
    ];
    for (path, value, line) in cases {
        let mut command = shop.command(&["serve", "order"])?;
        command.env(format!("BOOKSTORE_{path}"), value);
        let ran = run_to_end(command).await?.expect_code(2)?;
        ensure!(ran.stderr.contains(line), "{}", ran.stderr);
        ensure!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    }
    Ok(())
}
