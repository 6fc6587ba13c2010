//! `bookstore check`.

use anyhow::ensure;
use api::catalog::v1::UnpublishBookRequest;
use bookstore_e2e::Shop;
use bookstore_e2e::goods::{MONEY_RETURNED, PENDING, pay_order};
use rusqlite::Connection;

#[tokio::test]
async fn the_auditor_finds_what_was_planted() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    let placed = clients.place(1, &[(book, 1)]).await?;
    let paid = clients.paid().await?;
    shop.expect_clean().await?;
    shop.terminate(None).await?;
    shop.run(&["check", "--wait", "0s"]).await?.expect_code(0)?;

    let plants = [
        (
            "inventory",
            format!("UPDATE inventories SET quantity = quantity + 1 WHERE book_id = {book}"),
            format!("UPDATE inventories SET quantity = quantity - 1 WHERE book_id = {book}"),
            "balance-is-ledger",
        ),
        (
            "order",
            format!(
                "UPDATE orders SET total = total + 1 WHERE id = {}",
                placed.id
            ),
            format!(
                "UPDATE orders SET total = total - 1 WHERE id = {}",
                placed.id
            ),
            "total-is-items",
        ),
        (
            "order",
            format!("UPDATE orders SET status = 3 WHERE id = {}", placed.id),
            format!("UPDATE orders SET status = 1 WHERE id = {}", placed.id),
            "history-is-legal",
        ),
        (
            "payment",
            format!(
                "UPDATE payments SET amount = amount + 1 WHERE order_id = {}",
                paid.id
            ),
            format!(
                "UPDATE payments SET amount = amount - 1 WHERE order_id = {}",
                paid.id
            ),
            "payment-is-sound",
        ),
    ];
    for (service, plant, weed, law) in plants {
        change(&shop, service, &plant)?;
        let ran = shop
            .run(&["check", "--json", "--wait", "0s"])
            .await?
            .expect_code(1)?;
        ensure!(
            ran.stdout.contains(law),
            "{plant}: {law} is not in {}",
            ran.stdout
        );
        change(&shop, service, &weed)?;
        shop.run(&["check", "--wait", "0s"]).await?.expect_code(0)?;
    }
    Ok(())
}

/// Changes a row behind the services' backs.
fn change(shop: &Shop, service: &str, sql: &str) -> anyhow::Result<()> {
    let database = Connection::open(shop.data().join(format!("{service}.db")))?;
    ensure!(database.execute(sql, [])? == 1, "{sql} changed no row");
    Ok(())
}

#[tokio::test]
async fn the_auditor_accuses_nobody_while_customers_are_busy() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    let book = clients.stocked(100, 100_000).await?;
    let buying = async {
        for _ in 0..150 {
            let placed = clients.place(1, &[(book, 1)]).await?;
            clients.pay_until_accepted(&placed.no).await?;
            clients.cancel(&placed.no).await?;
        }
        let withdrawn = clients.publish("撤下", 1).await?;
        clients
            .done(UnpublishBookRequest { book_id: withdrawn })
            .await?;
        anyhow::Ok(())
    };
    let auditing = async {
        for _ in 0..3 {
            shop.expect_clean().await?;
        }
        Ok(())
    };
    futures::future::try_join(buying, auditing).await?;
    shop.expect_clean().await
}

#[tokio::test]
async fn money_that_came_before_its_order_accuses_nobody() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    // Ids count from 1 on a fresh start: somebody pays for the order that will be the second.
    clients.charge_until_accepted(2, 100).await?;
    clients.until_payment_is(2, MONEY_RETURNED).await;
    clients.placed().await?;
    let placed = clients.placed().await?;
    ensure!(placed.id == 2, "{placed:?}");
    let (chinese, english) = ("订单已退款", "order was refunded");
    clients
        .refused(pay_order(&placed.no), 1, chinese, english)
        .await?;
    ensure!(clients.order_of(&placed.no).await?.status == PENDING);
    shop.expect_clean().await
}
