//! Proves: a rolling restart under load fails no call. Each replica of each service is drained by
//! SIGTERM and started again, one after another, in a storm of orders, payments and reads; a customer
//! who is told to ask again does so, at the other replica, a few times in a few seconds, and is never told
//! anything else. Every order that was accepted is there, in the state that its customer was told,
//! no number was given twice, and the auditor finds nothing.
//!
//! Where MariaDB, Redis or (for one of them) Consul is not installed it is left out, with a clear line.

use anyhow::ensure;
use bookstore_e2e::Service;
use bookstore_e2e::storm::{Manner, Storm};
use bookstore_e2e::twice::Twice;
use futures::future::try_join;
use testkit::servers::consul;

/// So that calls are under way in every process that is asked to end.
const SLOW_GATEWAY: (&str, &str) = ("PAYMENT__MOCK__LATENCY", "50ms");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_over_a_fixed_list_fails_no_call() -> anyhow::Result<()> {
    let Some(twice) = Twice::open(&[SLOW_GATEWAY]).await? else {
        return Ok(());
    };
    restart_one_after_another(twice).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_over_consul_fails_no_call() -> anyhow::Result<()> {
    let Some(consul) = consul().await? else {
        return Ok(());
    };
    let settings = [
        SLOW_GATEWAY,
        ("DISCOVERY", "consul"),
        ("CONSUL__ADDRESS", &consul.url()),
        ("ORDER__CATALOG", "consul://catalog"),
        ("ORDER__INVENTORY", "consul://inventory"),
        ("ORDER__PAYMENT", "consul://payment"),
    ];
    let Some(twice) = Twice::open(&settings).await? else {
        return Ok(());
    };
    restart_one_after_another(twice).await
}

async fn restart_one_after_another(mut twice: Twice) -> anyhow::Result<()> {
    let storm = Storm::gather(&twice, Manner::Polite).await?;
    let restarting = async {
        for service in Service::ALL {
            for shop in &mut twice.replicas {
                storm.more_orders().await;
                shop.terminate(Some(service)).await?;
                storm.more_orders().await;
                shop.start().await?;
            }
        }
        storm.more_orders().await;
        storm.end();
        anyhow::Ok(())
    };
    let (kept, ()) = try_join(storm.rage(), restarting).await?;
    twice.expect_clean().await?;
    storm.expect_all(&twice, &kept).await?;
    // Unavailable for a moment is one thing, and something that went wrong another.
    for shop in &twice.replicas {
        let log = shop.log();
        ensure!(!log.contains("\"ERROR\""), "{log}");
    }
    Ok(())
}
