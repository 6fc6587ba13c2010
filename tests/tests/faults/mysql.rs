//! A MariaDB server behind a proxy, and all that can become of it.

use std::time::Duration;

use anyhow::Context;
use api::inventory::v1::{GetStockRequest, RestockInventoryRequest};
use bookstore_e2e::{Layout, Service, Shop, read_rows};
use platform::db::{Database, DatabaseUrl};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::eventually;
use testkit::proxy::{Cut, Proxy, Way};
use testkit::servers::MysqlServer;
use tokio_util::sync::CancellationToken;

use crate::{storm_while, until_refused};

/// How often a connection is cut at a commit, each way.
const CUTS: u64 = 24;
/// How often a query or a connection is killed.
const KILLS: u32 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_at_commits_lose_nothing() -> anyhow::Result<()> {
    let Some(place) = Place::open().await? else {
        return Ok(());
    };
    for cut in [Cut::Before, Cut::After] {
        let cutting = async |_: &_| {
            for turn in 0..CUTS {
                let before = place.proxy.cuts();
                place.proxy.cut_at_commit(turn % 5 + 1, cut);
                eventually("a connection is cut at a commit", || async {
                    (place.proxy.cuts() > before).then_some(())
                })
                .await;
            }
            Ok(())
        };
        storm_while(&place.shop, cutting)
            .await
            .with_context(|| format!("{cut:?}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_line_to_the_database_loses_nothing() -> anyhow::Result<()> {
    let Some(place) = Place::open().await? else {
        return Ok(());
    };
    let proxy = &place.proxy;
    storm_while(&place.shop, async |storm| {
        for _ in 0..5 {
            proxy.break_connections();
            storm.more_orders().await;
        }
        for way in [Way::There, Way::Back] {
            let before = proxy.swallowed();
            proxy.swallow(way);
            eventually("something is swallowed", || async {
                (proxy.swallowed() > before).then_some(())
            })
            .await;
            proxy.heal();
            storm.more_orders().await;
        }
        proxy.delay(Duration::from_millis(3));
        storm.more_orders().await;
        proxy.heal();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_queries_and_rival_locks_lose_nothing() -> anyhow::Result<()> {
    let Some(place) = Place::open().await? else {
        return Ok(());
    };
    storm_while(&place.shop, async |storm| {
        let mut dice = StdRng::seed_from_u64(7);
        for round in 0..KILLS {
            place.kill_somebody(&mut dice).await?;
            if round.is_multiple_of(5) {
                storm.more_orders().await;
            }
        }
        Ok(())
    })
    .await
    .context("kills")?;
    storm_while(&place.shop, async |storm| {
        let is_over = CancellationToken::new();
        let rival = lock_backwards(&place.inventory, &is_over);
        let patient = async {
            for _ in 0..5 {
                storm.more_orders().await;
            }
            is_over.cancel();
            Ok(())
        };
        futures::future::try_join(rival, patient).await?;
        Ok(())
    })
    .await
    .context("a rival")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_frozen_or_killed_loses_nothing() -> anyhow::Result<()> {
    let Some(mut place) = Place::open().await? else {
        return Ok(());
    };
    let clients = place.shop.clients()?;
    let server = &mut place.server;
    storm_while(&place.shop, async |storm| {
        server.freeze()?;
        // A unit of work that hangs is given up, its commit in doubt, before the server goes on.
        until_refused(&clients, |_| GetStockRequest { book_id: 1 }).await;
        server.thaw()?;
        storm.more_orders().await;
        for _ in 0..3 {
            server.stop()?;
            until_refused(&clients, restock).await;
            server.restart().await?;
            storm.more_orders().await;
        }
        Ok(())
    })
    .await
}

/// A shop on a private server, with a proxy between them.
struct Place {
    shop: Shop,
    proxy: Proxy,
    server: MysqlServer,
    /// Inventory's database, past the proxy.
    inventory: DatabaseUrl,
}

impl Place {
    async fn open() -> anyhow::Result<Option<Self>> {
        let Some(server) = MysqlServer::start().await? else {
            return Ok(None);
        };
        let proxy = Proxy::to(server.address().parse()?).await?;
        let mut plan = Shop::plan()
            .set("PAYMENT__MOCK__SUCCESS_RATE", "1")
            .set("TELEMETRY__LOG", "error");
        let mut inventory = None;
        for service in Service::ALL {
            let url = server.new_database_setting().await?;
            if service == Service::Inventory {
                inventory = Some(url.parse().map_err(anyhow::Error::msg)?);
            }
            let through = url.replace(server.address(), &proxy.address().to_string());
            let path = format!("{}__DATABASE", service.name().to_uppercase());
            plan = plan.set(&path, &through);
        }
        Ok(Some(Self {
            shop: plan.start(Layout::Together).await?,
            proxy,
            server,
            inventory: inventory.context("inventory has a database")?,
        }))
    }

    /// Kills what one of the shop's connections is at, or the connection itself.
    async fn kill_somebody(&self, dice: &mut StdRng) -> anyhow::Result<()> {
        let sql = "SELECT id FROM information_schema.processlist WHERE db LIKE 'bookstore%'";
        let url = self.server.url("information_schema")?;
        let connections = read_rows(&url, sql).await?;
        if connections.is_empty() {
            return Ok(());
        }
        let victim = connections[dice.random_range(0..connections.len())].int(0)?;
        let what = if dice.random_bool(0.7) {
            "QUERY"
        } else {
            "CONNECTION"
        };
        // It may be gone already.
        drop(self.server.execute(&format!("KILL {what} {victim}")).await);
        Ok(())
    }
}

/// Locks the rows of stock first and those of keys second, again and again: the service goes the
/// other way, so one of two that meet has to give way.
async fn lock_backwards(
    inventory: &DatabaseUrl,
    is_over: &CancellationToken,
) -> anyhow::Result<()> {
    let database = Database::open_read_only(inventory)?;
    while !is_over.is_cancelled() {
        let locked = database.write("rival", |tx| {
            Box::pin(async move {
                for sql in [
                    "SELECT book_id FROM inventories ORDER BY book_id DESC FOR UPDATE",
                    "SELECT state FROM inventory_keys ORDER BY idempotency_key DESC LIMIT 5 FOR UPDATE",
                ] {
                    tx.query(sql, Vec::new()).await?;
                }
                Ok(())
            })
        });
        // The rival may be the one who gives way.
        drop(locked.await);
    }
    database.close().await;
    Ok(())
}

fn restock(turn: u32) -> RestockInventoryRequest {
    RestockInventoryRequest {
        book_id: 9,
        quantity: 1,
        idempotency_key: format!("while-away-{turn}"),
    }
}
