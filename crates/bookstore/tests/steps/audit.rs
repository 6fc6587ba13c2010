//! What must be true of a shop once it has come to rest, whatever was done to it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use api::order::v1::Order;
use inventory::store::{LedgerSums, Store as _};
use order::domain::Stage;
use order::store::{Health, Store as _};
use payment::store::Store as _;
use platform::clock::pause;
use types::{OrderId, PaymentStatus, UnixMillis};

use crate::acts::{CANCELLED, COMPLETED, PAID, PENDING, SHIPPED};
use crate::shop::Shop;

/// Rounds of a second that a shop may take to come to rest: tasks wait up to 10 s between two tries,
/// creations are recovered after 8 s, a silent bank is asked again after a minute at the latest.
const ROUNDS: u32 = 300;
/// Books that stories sell through orders alone.
const SOLD_BY_ORDERS: [u64; 3] = [1, 2, 3];

/// What a shop looks like to those who do not know what was done to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// State, total, and the money held for it.
    orders: Vec<(i32, i64, i64)>,
    /// Book, free copies, reserved copies.
    stock: Vec<(u64, i32, i32)>,
    /// All the money that is held.
    held: i64,
}

impl Picture {
    pub(crate) async fn of(shop: &Shop) -> anyhow::Result<Self> {
        let held = shop.bank.held();
        let orders = shop.visible_orders().await?;
        let look = |order: &Order| {
            let money = held.get(&order.id).copied().unwrap_or(0);
            (order.status, order.total, money)
        };
        let mut orders: Vec<_> = orders.iter().map(look).collect();
        orders.sort_unstable();
        let books = shop.stock.read_audit().await?.books;
        let stock = books.iter().map(|book| {
            let stock = book.stock;
            (stock.book.get(), stock.quantity, stock.reserved)
        });
        Ok(Self {
            orders,
            stock: stock.collect(),
            held: held.values().sum(),
        })
    }
}

/// Waits until nothing is left to do; a person resumes what waits for one.
pub(crate) async fn settle(shop: &Shop) -> anyhow::Result<()> {
    let mut left = String::new();
    for _ in 0..ROUNDS {
        shop.resume_parked().await?;
        match unrest(shop).await? {
            None => return Ok(()),
            Some(reason) => left = reason,
        }
        pause(Duration::from_secs(1)).await;
    }
    bail!("never came to rest: {left}")
}

/// What is still to be done.
async fn unrest(shop: &Shop) -> anyhow::Result<Option<String>> {
    let never = UnixMillis::new(i64::MAX);
    let health = shop.orders.health(never).await?;
    let open_orders = Health {
        // At the end of time every order is overdue; only tasks and creations count here.
        orders_overdue: 0,
        ..health
    };
    if open_orders != Health::default() {
        return Ok(Some(format!("{open_orders:?}")));
    }
    let creating = shop
        .orders
        .due_orders(Stage::Creating, never, None, 10)
        .await?;
    if !creating.is_empty() {
        return Ok(Some(format!("creating: {creating:?}")));
    }
    let money = shop.payments.measure().await?;
    let cursor = shop.orders.feed_cursor().await?;
    if money.attempts_open > 0 || money.last_event_id != cursor {
        return Ok(Some(format!("{money:?}, the cursor at {cursor}")));
    }
    Ok(None)
}

/// Checks the laws that hold between the services.
pub(crate) async fn check(shop: &Shop) -> anyhow::Result<()> {
    let orders = shop.visible_orders().await?;
    check_told(shop, &orders)?;
    check_money(shop, &orders).await?;
    check_stock(shop, &orders).await
}

/// Whatever people were told is true.
fn check_told(shop: &Shop, orders: &[Order]) -> anyhow::Result<()> {
    for told in shop.told() {
        let order = orders.iter().find(|order| order.order_no == told.order_no);
        let order = order.with_context(|| format!("{told:?}, and there is no such order"))?;
        ensure!(told.may_be.contains(&order.status), "{told:?}: {order:?}");
    }
    Ok(())
}

/// The bank holds the money of paid orders and no other, payment knows of it, and no order was ever
/// charged twice at once.
async fn check_money(shop: &Shop, orders: &[Order]) -> anyhow::Result<()> {
    let twice = shop.bank.held_twice();
    ensure!(twice.is_empty(), "charged twice: {twice:?}");
    let held = shop.bank.held();
    for order in orders {
        let due = match order.status {
            PAID | SHIPPED | COMPLETED => order.total,
            _ => 0,
        };
        let money = held.get(&order.id).copied().unwrap_or(0);
        ensure!(money == due, "{money} fen are held for {order:?}");
    }
    for (order_id, money) in &held {
        let is_known = orders.iter().any(|order| order.id == *order_id);
        ensure!(is_known, "{money} fen are held for {order_id}, no order");
        let id = OrderId::new(*order_id).context("an id")?;
        let record = shop.payments.find_records(&[id]).await?.pop();
        let record = record.context("money without a payment")?;
        ensure!(record.payment.status == PaymentStatus::Paid, "{record:?}");
    }
    Ok(())
}

/// Orders hold exactly their stock, and no copy came from nowhere or vanished.
async fn check_stock(shop: &Shop, orders: &[Order]) -> anyhow::Result<()> {
    let audit = shop.stock.read_audit().await?;
    ensure!(audit.problems.is_empty(), "{:?}", audit.problems);
    let sums = shop.stock.read_sums(LedgerSums::default(), 0).await?;
    ensure!(sums.drift() == 0, "{sums:?}");
    let (mut reserved, mut committed) = (BTreeMap::new(), BTreeMap::new());
    for order in orders {
        let counts = match order.status {
            PENDING | PAID => &mut reserved,
            SHIPPED | COMPLETED => &mut committed,
            _ => continue,
        };
        for item in &order.items {
            *counts.entry(item.book_id).or_default() += i64::from(item.quantity);
        }
    }
    for book in &audit.books {
        let id = book.stock.book.get();
        if !SOLD_BY_ORDERS.contains(&id) {
            continue;
        }
        let due = (
            reserved.get(&id).copied().unwrap_or(0),
            committed.get(&id).copied().unwrap_or(0),
        );
        let found = (i64::from(book.stock.reserved), book.committed);
        ensure!(found == due, "{due:?} expected of {book:?}");
    }
    Ok(())
}

/// Cancels whatever can be cancelled; then only what was shipped is paid for, and no order holds
/// copies.
pub(crate) async fn clean_up(shop: &Shop) -> anyhow::Result<()> {
    for order in shop.visible_orders().await? {
        if [PENDING, PAID].contains(&order.status) {
            shop.cancel_directly(order.order_no).await?;
        }
    }
    settle(shop).await?;
    check(shop).await?;
    for order in shop.visible_orders().await? {
        ensure!(
            [SHIPPED, COMPLETED, CANCELLED].contains(&order.status),
            "{order:?}"
        );
    }
    Ok(())
}
