//! What people were told, against what became of it. An answer is a promise: nothing that was
//! acknowledged is lost, and nothing was done about which it was said that nothing happened.

use std::collections::BTreeMap;
use std::time::Duration;

use inventory::audit::Audit;
use order::domain::{CancelCause, Order, Rows, Stage};
use types::{OrderNo, OrderStatus};

use super::settled::was_paid;
use crate::people::{OrderPromise, Promises, Unkeyed};
use crate::world::{World, lock};

/// How old a book may be that is read, by the promise in proto/.
const STALE_MS: u64 = 1_000;
/// How late an order may expire while all is well.
const LATE: Duration = Duration::from_secs(2);

pub(super) fn judge(world: &World, orders: &Rows, audit: &Audit) {
    let promises = lock(&world.promises);
    let mut by_number: BTreeMap<&OrderNo, &Order> = BTreeMap::new();
    for order in orders.orders() {
        by_number.insert(&order.order_no, order);
    }
    for (number, promise) in &promises.orders {
        let order = OrderNo::parse(number).and_then(|no| by_number.get(&no).copied());
        let Some(order) = order else {
            world.break_law("answered-orders-exist", format!("{number}: {promise:?}"));
            continue;
        };
        judge_order(world, orders, order, promise);
        judge_items(world, orders, order, promise, &promises);
    }
    for unkeyed in &promises.unkeyed {
        judge_unkeyed(world, orders, unkeyed);
    }
    judge_restocks(world, audit, &promises);
    judge_punctuality(world, orders, &promises);
}

fn judge_order(world: &World, orders: &Rows, order: &Order, promise: &OrderPromise) {
    let broken = |what: &str| {
        world.break_law(
            "answers-are-kept",
            format!("{what}: {promise:?}, and it is {order:?}"),
        );
    };
    if order.total.get() != promise.total || order.id.get() != promise.id {
        broken("another order");
    }
    let Stage::Live(status) = order.stage else {
        broken("no order any more");
        return;
    };
    if let Some(payment_no) = &promise.paid {
        let noted = order
            .payment
            .as_ref()
            .map(|payment| payment.payment_no.as_str());
        if !was_paid(orders, order.id) || noted != Some(payment_no) {
            broken("it was said to be paid");
        }
    }
    if promise.cancelled && status != OrderStatus::Cancelled {
        broken("it was said to be cancelled");
    }
    let refund_no = order.refund_no().map(|no| no.to_string());
    if promise.refund_no.is_some() && promise.refund_no != refund_no {
        broken("its money was said to go back");
    }
    if promise.shipped && !matches!(status, OrderStatus::Shipped | OrderStatus::Completed) {
        broken("it was said to be shipped");
    }
    if promise.completed && status != OrderStatus::Completed {
        broken("it was said to be completed");
    }
}

/// The items are what was asked for, at a price that the book had when it was asked.
fn judge_items(
    world: &World,
    orders: &Rows,
    order: &Order,
    promise: &OrderPromise,
    promises: &Promises,
) {
    let items = orders.items(order.id);
    let bought: BTreeMap<u64, i32> = items
        .iter()
        .map(|item| (item.book_id.get(), item.quantity.get()))
        .collect();
    if bought != promise.basket {
        world.break_law(
            "orders-are-what-was-asked",
            format!("{promise:?}: {items:?}"),
        );
    }
    for item in items {
        let Some(book) = promises.books.get(&item.book_id.get()) else {
            continue;
        };
        let from = promise.sent_ms.saturating_sub(STALE_MS);
        if !book.had_price(item.price.get(), from, promise.heard_ms) {
            let what = format!(
                "{} asks {} in {}..{}: {book:?}",
                order.order_no, item.price, from, promise.heard_ms
            );
            world.break_law("prices-are-fresh", what);
        }
        if book.was_gone_before(from) {
            world.break_law(
                "withdrawn-books-are-not-sold",
                format!("{promise:?}: {book:?}"),
            );
        }
    }
}

fn judge_unkeyed(world: &World, orders: &Rows, unkeyed: &Unkeyed) {
    let made = orders.orders().filter(|order| {
        order.user_id.get() == unkeyed.user && matches!(order.stage, Stage::Live(_))
    });
    let made = made.count();
    let fits = match unkeyed.answer {
        Some(true) => made == 1,
        Some(false) => made == 0,
        None => made <= 1,
    };
    if !fits {
        world.break_law(
            "one-request-is-one-order",
            format!("{unkeyed:?}: {made} orders"),
        );
    }
}

/// What arrived is what was sent: a keyed delivery once at the most, and once where it was confirmed.
fn judge_restocks(world: &World, audit: &Audit, promises: &Promises) {
    let mut bounds: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
    for restock in &promises.restocks {
        let (least, most) = bounds.entry(restock.book).or_default();
        *least += i64::from(restock.quantity) * i64::from(restock.done);
        *most += i64::from(restock.quantity) * i64::from(restock.tries);
    }
    for book in &audit.books {
        let (least, most) = bounds
            .get(&book.stock.book.get())
            .copied()
            .unwrap_or_default();
        if book.restocked < least || book.restocked > most {
            let what = format!("{book:?}: between {least} and {most} were sent");
            world.break_law("deliveries-count-once", what);
        }
    }
}

/// Once all is well, orders expire on time.
fn judge_punctuality(world: &World, orders: &Rows, promises: &Promises) {
    let Some(well_since) = promises.well_since else {
        return;
    };
    for order in orders.orders() {
        let expired = order.cancelled == Some(CancelCause::Expired);
        if expired
            && order.expire_at >= well_since
            && order.updated_at.since(order.expire_at) > LATE
        {
            world.break_law("orders-expire-on-time", format!("{order:?}"));
        }
    }
}
