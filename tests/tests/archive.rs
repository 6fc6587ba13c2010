//! Proves: what `docs/operations.md` has people delete are the cancelled orders that are old enough and
//! done with, whole, and the shop that is left is sound, on both kinds of database.

use anyhow::{Context, ensure};
use api::order::v1::{GetOrderRequest, ListOrdersRequest};
use bookstore_e2e::goods::{CANCELLED, PAID, pay};
use bookstore_e2e::{Layout, Service, System, read_rows, repository};
use platform::db::{Database, DatabaseOptions, DatabaseUrl};

/// The number in the document's statements, before which orders may go.
const BOUND: &str = "ORD20260101";
/// Nothing is to be done for a cancelled order; but a task that is there has not been done.
const LEAVE_A_TASK: &str = "INSERT INTO order_tasks \
    (order_id, kind, order_no, attempts, refusals, due_at, parked, last_error, created_at) \
    SELECT id, 1, order_no, 0, 0, updated_at, 0, NULL, updated_at FROM orders WHERE order_no = ?";

#[tokio::test]
async fn cancelled_orders_may_be_deleted() -> anyhow::Result<()> {
    delete_the_cancelled(System::alone(Layout::Together, &[]).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_orders_may_be_deleted_on_a_server() -> anyhow::Result<()> {
    match System::twice(&[]).await? {
        Some(shop) => delete_the_cancelled(shop).await,
        None => Ok(()),
    }
}

async fn delete_the_cancelled(mut shop: System) -> anyhow::Result<()> {
    // One replica numbers in the order of creation; two may not within one second.
    let clients = shop.clients_in_turn(0)?;
    let pending = clients.placed().await?;
    let paid = clients.paid().await?;
    let shipped = clients.shipped().await?;
    let cancelled = clients.cancelled().await?;
    let refunded = clients.paid().await?;
    clients.cancel(&refunded.no).await?;
    clients.until_order_is(&refunded.no, CANCELLED).await;
    let unfinished = clients.cancelled().await?;
    let late = clients.cancelled().await?;
    until_no_tasks(&shop).await?;

    shop.kill()?;
    delete(&shop, &unfinished.no, &late.no).await?;
    let orders = shop.database(Service::Order)?;
    for table in [
        "SELECT order_id FROM order_items WHERE order_id NOT IN (SELECT id FROM orders)",
        "SELECT order_id FROM order_history WHERE order_id NOT IN (SELECT id FROM orders)",
    ] {
        ensure!(read_rows(&orders, table).await?.is_empty(), "{table}");
    }
    shop.start().await?;

    let clients = shop.clients()?;
    for gone in [&cancelled, &refunded] {
        let order_no = gone.no.clone();
        clients
            .said(GetOrderRequest { order_no }, None, 40401, "订单不存在")
            .await?;
    }
    for stays in [&pending, &paid, &shipped, &unfinished, &late] {
        ensure!(clients.order_of(&stays.no).await?.items.len() == 1);
    }
    ensure!(clients.done(ListOrdersRequest::default()).await?.total == 5);
    ensure!(clients.order_of(&paid.no).await?.status == PAID);
    // Money that comes for one that is gone goes back.
    clients.done(pay(cancelled.id, cancelled.total)).await?;
    clients.until_no_money_is_held(cancelled.id).await;
    shop.expect_clean().await
}

async fn until_no_tasks(shop: &System) -> anyhow::Result<()> {
    let orders = shop.database(Service::Order)?;
    testkit::eventually("no tasks", async || {
        let tasks = read_rows(&orders, "SELECT order_id FROM order_tasks").await;
        tasks.is_ok_and(|tasks| tasks.is_empty()).then_some(())
    })
    .await;
    Ok(())
}

/// Does what the document says, in one transaction, up to the order `late`; for `unfinished` something is
/// still to be done.
async fn delete(shop: &System, unfinished: &str, late: &str) -> anyhow::Result<()> {
    let document = std::fs::read_to_string(repository().join("docs/operations.md"))?;
    let (_, rest) = document.split_once("BEGIN;").context("no BEGIN")?;
    let (script, _) = rest.split_once("COMMIT;").context("no COMMIT")?;
    ensure!(script.contains(BOUND), "{script}");
    let script = script.replace(BOUND, late);
    let statements: Vec<String> = script
        .split(';')
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect();
    let database = open(&shop.database(Service::Order)?).await?;
    let unfinished = unfinished.to_owned();
    let deleted = database.write("delete", move |tx| {
        let (statements, unfinished) = (statements.clone(), unfinished.clone());
        Box::pin(async move {
            tx.execute(LEAVE_A_TASK, vec![unfinished.as_str().into()])
                .await?;
            for statement in &statements {
                tx.execute(statement, Vec::new()).await?;
            }
            Ok(())
        })
    });
    deleted.await?;
    database.close().await;
    Ok(())
}

async fn open(url: &DatabaseUrl) -> anyhow::Result<Database> {
    let options = DatabaseOptions {
        migrate: false,
        ..DatabaseOptions::default()
    };
    Ok(Database::open(url, &[], options).await?)
}
