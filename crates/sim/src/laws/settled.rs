//! What must hold once nothing breaks any more and everything has had its time.

use std::collections::BTreeMap;

use futures::FutureExt;
use inventory::audit::{Audit, OpenHold};
use inventory::store::Store as _;
use order::domain::{Order, Rows, Stage};
use payment::domain::{AttemptState, Record};
use types::{BookId, OrderId, OrderStatus};

use super::promised;
use crate::gateway::Charge;
use crate::tally::Moment;
use crate::world::World;

/// What keeps the world from being at rest; `None` where it is.
pub(crate) fn unrest(world: &World) -> Option<String> {
    let under_way = world.under_way.load(std::sync::atomic::Ordering::Relaxed);
    if under_way > 0 {
        return Some(format!("{under_way} messages under way"));
    }
    if let Some(node) = world.nodes.iter().find(|node| !node.is_up()) {
        return Some(format!("{} is down", node.place));
    }
    let events = world.stores.payment.inspect(|rows, events| {
        let open = rows.records().find(|record| record.attempt.is_open());
        match open {
            Some(record) => Err(format!("attempt {} is open", record.attempt.payment_no)),
            None => Ok(events.len()),
        }
    });
    let events = match events {
        Ok(events) => u64::try_from(events).unwrap_or(u64::MAX),
        Err(why) => return Some(why),
    };
    world.stores.order.inspect(|rows| {
        let restless = rows.orders().find(|order| {
            matches!(
                order.stage,
                Stage::Creating | Stage::Live(OrderStatus::Pending)
            )
        });
        if let Some(order) = restless {
            return Some(format!("order {} is {}", order.id, order.stage.name()));
        }
        if let Some(intent) = rows.intents().next() {
            return Some(format!("{intent:?} is open"));
        }
        if let Some(task) = rows.tasks().next() {
            return Some(format!("{task:?} is to be done"));
        }
        (rows.cursor() != events).then(|| format!("event {} of {events} applied", rows.cursor()))
    })
}

/// Judges a world at rest.
pub(crate) fn judge(world: &World) {
    let Some(Ok(audit)) = world.stores.inventory.read_audit().now_or_never() else {
        world.break_law("stock-can-be-audited", "no answer");
        return;
    };
    for problem in &audit.problems {
        world.break_law("stock-is-sound", problem.to_string());
    }
    judge_fences(world);
    world.stores.order.inspect(|orders| {
        judge_holds(world, orders, &audit);
        judge_money(world, orders);
        for order in orders.orders() {
            judge_order(world, orders, order);
        }
        promised::judge(world, orders, &audit);
    });
}

fn judge_fences(world: &World) {
    use inventory::domain::KeyUse;
    world.stores.inventory.inspect(|rows, _| {
        for _ in rows.keys().filter(|(_, row)| row.used == KeyUse::Fence) {
            world.count(Moment::Fenced);
        }
    });
}

/// Orders against holds: an order holds its items exactly while it is PENDING or PAID, nothing else
/// holds anything, and what is reserved is what is held.
fn judge_holds(world: &World, orders: &Rows, audit: &Audit) {
    let mut holds: BTreeMap<&str, &OpenHold> = audit
        .holds
        .iter()
        .map(|hold| (hold.key.as_str(), hold))
        .collect();
    for order in orders.orders() {
        let hold = holds.remove(order.order_no.as_str());
        let held = hold.map(|hold| {
            hold.lines
                .iter()
                .map(|line| (line.book, line.quantity.get()))
                .collect()
        });
        let held: BTreeMap<BookId, i32> = held.unwrap_or_default();
        let due: BTreeMap<BookId, i32> = match order.stage {
            Stage::Live(OrderStatus::Pending | OrderStatus::Paid) => {
                let items = orders.items(order.id).iter();
                items
                    .map(|item| (item.book_id, item.quantity.get()))
                    .collect()
            }
            _ => BTreeMap::new(),
        };
        if held != due {
            let what = format!(
                "{} ({}) is {} and holds {held:?} where it should hold {due:?}",
                order.order_no,
                order.id,
                order.stage.name()
            );
            world.break_law("orders-hold-their-items", what);
        }
    }
    for hold in holds.values() {
        world.break_law("hold-has-order", format!("{hold:?}"));
    }
    let mut reserved: BTreeMap<BookId, i64> = BTreeMap::new();
    for line in audit.holds.iter().flat_map(|hold| &hold.lines) {
        *reserved.entry(line.book).or_default() += i64::from(line.quantity.get());
    }
    for book in &audit.books {
        let held = reserved.get(&book.stock.book).copied().unwrap_or(0);
        if i64::from(book.stock.reserved) != held {
            world.break_law("reserved-is-held", format!("{:?}: held {held}", book.stock));
        }
    }
}

/// The gateway's ledger against payment's, and payment's against the orders.
fn judge_money(world: &World, orders: &Rows) {
    let charges = world.bank.charges();
    world.stores.payment.inspect(|rows, _| {
        for (payment_no, charge) in &charges {
            let record = rows.record(charge.order_id);
            let attempt = record.map(|r| r.state_of(payment_no));
            let fits = match attempt {
                Some(AttemptState::Charged) => charge.is_kept(),
                Some(AttemptState::Refunded) => charge.is_charged && charge.is_refunded,
                Some(AttemptState::Refused) => !charge.is_charged,
                Some(AttemptState::Charging | AttemptState::Refunding) | None => false,
            };
            if !fits {
                let what = format!("{payment_no}: gateway {charge:?}, payment {attempt:?}");
                world.break_law("both-ledgers-agree", what);
            }
            if charge.is_kept() && !is_owed(orders, charge) {
                let order = orders.order(charge.order_id);
                let what = format!("{payment_no} {charge:?} is kept for {order:?}");
                world.break_law("money-has-order", what);
            }
        }
        for record in rows.records() {
            let no = &record.attempt.payment_no;
            let is_final = record.attempt.state != AttemptState::Charging;
            if is_final && !charges.contains_key(no) {
                world.break_law("both-ledgers-agree", format!("the gateway knows no {no}"));
            }
        }
        for order in orders.orders() {
            judge_payment(world, order, rows.record(order.id));
        }
    });
}

/// Whether the money belongs to an order that counts as paid, of that amount.
fn is_owed(orders: &Rows, charge: &Charge) -> bool {
    let is_paid = |order: &Order| {
        matches!(
            order.stage,
            Stage::Live(OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Completed)
        )
    };
    orders
        .order(charge.order_id)
        .is_some_and(|order| is_paid(order) && order.total == charge.amount)
}

fn judge_payment(world: &World, order: &Order, record: Option<&Record>) {
    let state = record.map(|record| record.attempt.state);
    let fits = match order.stage {
        Stage::Live(OrderStatus::Paid) => state == Some(AttemptState::Charged) && !order.refunded,
        // Goods that have left stay sold, whatever is refunded at the payment service.
        Stage::Live(OrderStatus::Shipped | OrderStatus::Completed) => {
            matches!(state, Some(AttemptState::Charged | AttemptState::Refunded))
        }
        Stage::Creating | Stage::Abandoned | Stage::Live(_) => {
            state != Some(AttemptState::Charged)
                && (!order.refunded || state == Some(AttemptState::Refunded))
        }
    };
    let known = order.payment.as_ref().map(|payment| &payment.payment_no);
    let is_same = match (order.stage, record) {
        (
            Stage::Live(OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Completed),
            Some(r),
        ) => known == Some(&r.attempt.payment_no),
        _ => true,
    };
    if !fits || !is_same {
        world.break_law("order-has-money", format!("{order:?}: {record:?}"));
    }
}

/// An order by itself: its history leads to where it stands.
fn judge_order(world: &World, orders: &Rows, order: &Order) {
    let mut at = OrderStatus::Pending;
    for row in orders
        .history()
        .iter()
        .filter(|row| row.order_id == order.id)
    {
        if row.from != at {
            world.break_law("history-is-a-chain", format!("{row:?} after {at}"));
        }
        at = row.to;
    }
    if let Stage::Live(status) = order.stage
        && status != at
    {
        world.break_law(
            "history-is-a-chain",
            format!("{order:?}, and history says {at}"),
        );
    }
    let is_cancelled = order.stage == Stage::Live(OrderStatus::Cancelled);
    if is_cancelled != order.cancelled.is_some() {
        world.break_law("cancellations-have-a-cause", format!("{order:?}"));
    }
}

/// Whether the order became PAID at some time.
pub(super) fn was_paid(orders: &Rows, id: OrderId) -> bool {
    let mut rows = orders.history().iter();
    rows.any(|row| row.order_id == id && row.to == OrderStatus::Paid)
}
