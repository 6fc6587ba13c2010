//! A running program: it drains at a signal, or ends at one where it is not ready yet, and its metrics page tells what is promised.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use bookstore_e2e::goods::{PAID, pay_order};
use bookstore_e2e::{Layout, Service, Shop};
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
async fn a_start_ends_at_a_signal() -> anyhow::Result<()> {
    // Takes connections, and says nothing.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("mysql://root@{}/catalog_db", silent.local_addr()?);
    let shop = Shop::closed(
        Shop::plan().set("CATALOG__DATABASE", &url),
        Layout::Together,
    )?;
    for arguments in [&["up"][..], &["serve", "catalog"]] {
        for (signal, code) in [("TERM", 143), ("INT", 130)] {
            let mut command = shop.command(arguments)?;
            let child = command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            let (_in_the_midst, _) = silent.accept().await?;
            let order = format!("kill -{signal} {}", child.id());
            ensure!(Command::new("sh").args(["-c", &order]).status()?.success());
            let ended = child.wait_with_output()?;
            let said = String::from_utf8_lossy(&ended.stderr);
            ensure!(
                ended.status.code() == Some(code) && !said.contains("drain"),
                "{arguments:?}: {}: {said}",
                ended.status
            );
        }
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
    // Nor is anything wrong about services that stop together.
    ensure!(!log.contains("WARN"), "{log}");
    shop.start().await?;
    shop.expect_clean().await
}
