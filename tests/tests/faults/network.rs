//! Bad lines between the services.

use std::time::Duration;

use anyhow::Context;
use bookstore_e2e::{Layout, Service, Shop};
use testkit::eventually;
use testkit::proxy::{Proxy, Way};

use crate::storm_while;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_lines_between_services_lose_nothing() -> anyhow::Result<()> {
    let plan = Shop::plan()
        .set("PAYMENT__MOCK__SUCCESS_RATE", "1")
        .set("TELEMETRY__LOG", "error");
    let mut shop = Shop::closed(plan, Layout::Apart)?;
    let mut proxies = Vec::new();
    for service in [Service::Catalog, Service::Inventory, Service::Payment] {
        let proxy = Proxy::to(([127, 0, 0, 1], shop.port(service)).into()).await?;
        let path = format!("ORDER__{}", service.name().to_uppercase());
        shop.set(&path, &format!("http://{}", proxy.address()));
        proxies.push((service, proxy));
    }
    shop.start().await?;
    for (service, proxy) in &proxies {
        storm_while(&shop, async |storm| {
            for _ in 0..3 {
                proxy.break_connections();
                storm.more_orders().await;
            }
            proxy.delay(Duration::from_millis(5));
            storm.more_orders().await;
            proxy.heal();
            for way in [Way::There, Way::Back] {
                let (swallowed, accepted) = (proxy.swallowed(), proxy.accepted());
                proxy.swallow(way);
                // The dead line is found out by itself, and another one asked for.
                eventually("a new connection", || async {
                    let is_lost = proxy.swallowed() > swallowed;
                    (is_lost && proxy.accepted() > accepted).then_some(())
                })
                .await;
                proxy.heal();
                storm.more_orders().await;
            }
            Ok(())
        })
        .await
        .with_context(|| format!("on the way to {}", service.name()))?;
    }
    Ok(())
}
