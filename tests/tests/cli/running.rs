//! A running program: it drains at a signal, and its metrics page tells what is promised.

use anyhow::{Context, ensure};
use bookstore_e2e::goods::{PAID, pay_order};
use bookstore_e2e::{Layout, Service, Shop};
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_signal_drains_what_runs_and_loses_nothing() -> anyhow::Result<()> {
    // Those that call others go first.
    let apart = [
        Service::Order,
        Service::Payment,
        Service::Inventory,
        Service::Catalog,
    ];
    let apart = apart.map(Some);
    for (layout, processes) in [(Layout::Together, &[None][..]), (Layout::Apart, &apart)] {
        // The payment is still on its way when the signal comes.
        let plan = Shop::plan()
            .set("PAYMENT__MOCK__SUCCESS_RATE", "1")
            .set("PAYMENT__MOCK__LATENCY", "1500ms");
        let mut shop = plan.start(layout).await?;
        let clients = shop.clients()?;
        let placed = clients.placed().await?;
        let paying = async { anyhow::Ok(clients.done(pay_order(&placed.no)).await?) };
        let ending = async {
            eventually("the payment in flight", || async {
                clients.payment_of(placed.id).await.ok().flatten()
            })
            .await;
            for service in processes {
                shop.terminate(*service).await?;
            }
            Ok(())
        };
        let (paid, ()) = futures::future::try_join(paying, ending).await?;
        ensure!(!paid.payment_no.is_empty(), "{paid:?}");
        shop.start().await?;
        ensure!(shop.clients()?.order_of(&placed.no).await?.status == PAID);
        shop.expect_clean().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_metrics_page_tells_what_is_promised() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.clients()?.paid().await?;
    let said = shop.announced().concat();
    let url = said
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .context("no page")?;
    let address = url.trim_end_matches("/metrics");
    let promised = [
        "bookstore_grpc_requests_total",
        "bookstore_grpc_request_seconds",
        "bookstore_combiner_batch_len",
        "bookstore_order_tasks_outstanding",
        "bookstore_order_tasks_parked",
        "bookstore_orders_overdue",
        "bookstore_inventory_conservation_drift",
    ];
    // Gauges are measured every few seconds.
    eventually("every promised metric on the page", || async {
        let page = fetch(address).await.ok()?;
        promised
            .iter()
            .all(|name| page.contains(name))
            .then_some(())
    })
    .await;
    Ok(())
}

/// `GET /metrics` by hand.
async fn fetch(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut page = String::new();
    stream.read_to_string(&mut page).await?;
    ensure!(page.starts_with("HTTP/1.1 200"), "{page}");
    Ok(page)
}

#[tokio::test]
async fn a_drain_waits_for_nobody_who_says_nothing() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let _silent = TcpStream::connect(("127.0.0.1", shop.port(Service::Order))).await?;
    let mut half = TcpStream::connect(shop.metrics_page()?).await?;
    half.write_all(b"GET /metrics HTTP/1.1\r\nHo").await?;
    shop.terminate(None).await?;
    let log = shop.log();
    ensure!(!log.contains("still running"), "{log}");
    shop.start().await?;
    shop.expect_clean().await
}
