//! Proves: what `docs/operations.md` has people delete leaves a shop that the auditor finds nothing wrong
//! with, on both kinds of database, and deletes cancelled orders alone.

use anyhow::{Context, ensure};
use api::order::v1::{GetOrderRequest, ListOrdersRequest};
use bookstore_e2e::goods::{CANCELLED, PAID};
use bookstore_e2e::{Layout, Service, System, repository};
use platform::db::{Database, DatabaseOptions, DatabaseUrl};

#[tokio::test]
async fn cancelled_orders_may_be_deleted() -> anyhow::Result<()> {
    let shop = System::alone(Layout::Together, &[]).await?;
    let orders = shop.database(Service::Order)?;
    delete_the_cancelled(&shop, &orders).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_orders_may_be_deleted_on_a_server() -> anyhow::Result<()> {
    let Some(shop) = System::twice(&[]).await? else {
        return Ok(());
    };
    let orders = shop.database(Service::Order)?;
    delete_the_cancelled(&shop, &orders).await
}

async fn delete_the_cancelled(shop: &System, orders: &DatabaseUrl) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let pending = clients.placed().await?;
    let paid = clients.paid().await?;
    let shipped = clients.shipped().await?;
    let cancelled = clients.cancelled().await?;
    let refunded = clients.paid().await?;
    clients.cancel(&refunded.no).await?;
    clients.until_order_is(&refunded.no, CANCELLED).await;
    clients.until_no_money_is_held(refunded.id).await;
    shop.expect_clean().await?;

    delete(orders).await?;

    shop.expect_clean().await?;
    for gone in [&cancelled, &refunded] {
        let order_no = gone.no.clone();
        clients
            .said(GetOrderRequest { order_no }, None, 40401, "订单不存在")
            .await?;
    }
    ensure!(clients.order_of(&paid.no).await?.status == PAID);
    for stays in [&pending, &paid, &shipped] {
        ensure!(clients.order_of(&stays.no).await?.items.len() == 1);
    }
    ensure!(clients.done(ListOrdersRequest::default()).await?.total == 3);
    // The shop goes on.
    clients.cancel(&pending.no).await?;
    shop.expect_clean().await
}

/// Does what the document says, in one transaction.
async fn delete(orders: &DatabaseUrl) -> anyhow::Result<()> {
    let document = std::fs::read_to_string(repository().join("docs/operations.md"))?;
    let (_, rest) = document.split_once("BEGIN;").context("no BEGIN")?;
    let (script, _) = rest.split_once("COMMIT;").context("no COMMIT")?;
    let statements: Vec<String> = script
        .split(';')
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect();
    ensure!(statements.len() == 3, "{statements:?}");
    let options = DatabaseOptions {
        migrate: false,
        ..DatabaseOptions::default()
    };
    let database = Database::open(orders, &[], options).await?;
    database
        .write("delete", move |tx| {
            let statements = statements.clone();
            Box::pin(async move {
                for statement in &statements {
                    tx.execute(statement, Vec::new()).await?;
                }
                Ok(())
            })
        })
        .await?;
    database.close().await;
    Ok(())
}
