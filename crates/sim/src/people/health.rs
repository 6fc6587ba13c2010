//! A few purchases once nothing breaks any more: the system has to work again, and at once.

use std::time::Duration;

use api::order::v1::{
    CreateOrderItem, CreateOrderRequest, CreateOrderResponse, GetOrderRequest, PayOrderRequest,
};
use api::payment::v1::PayRequest;
use api::{Reply, Rpc};
use platform::clock::pause;
use types::{Code, OrderId, OrderStatus, UnixMillis};

use super::{Desk, keeper};
use crate::world::lock;

/// A book and a user that nobody else has to do with.
const BOOK: u64 = 5_000;
const USER: u64 = 5_000;
/// How many orders a customer makes for one that is paid.
const ORDERS_MAX: u32 = 60;
/// How soon money that was paid elsewhere counts, where ways are short.
const FEED_LIMIT: Duration = Duration::from_secs(1);

/// Buys one book by `PayOrder`, one by a payment at the payment service, and lets one order expire.
pub(crate) async fn check_health(desk: &Desk) {
    keeper::publish(desk, BOOK).await;
    keeper::deliver(desk, BOOK, 100, Some("health".to_owned())).await;
    let by_order = |made: &CreateOrderResponse| PayOrderRequest {
        order_no: made.order_no.clone(),
        payment_method: "mock".to_owned(),
    };
    let directly = |made: &CreateOrderResponse| PayRequest {
        order_id: made.order_id,
        amount: made.total,
        payment_method: "mock".to_owned(),
    };
    if buy(desk, "paid", by_order).await.is_none() {
        return;
    }
    if let Some(order_no) = buy(desk, "fed", directly).await {
        wait_for_feed(desk, &order_no).await;
        order(desk, "expired").await;
    }
}

/// Orders until an order is paid by what `payment` makes of it, and answers its number; `None` where a
/// law was broken.
async fn buy<M: Rpc>(
    desk: &Desk,
    key: &str,
    payment: impl Fn(&CreateOrderResponse) -> M,
) -> Option<String> {
    for number in 0..ORDERS_MAX {
        let made = order_unpaid(desk, &format!("{key}-{number}")).await?;
        if pay(desk, payment(&made)).await? {
            return Some(made.order_no);
        }
    }
    let what = format!("none of {ORDERS_MAX} orders could be paid");
    desk.world.break_law("a-sound-system-sells", what);
    None
}

/// Until when a customer tries to pay: a gateway that refuses often enough outlasts the time to pay, and
/// then it is the order that ends, as it should.
fn end_of_patience(desk: &Desk) -> UnixMillis {
    desk.world.now().plus(desk.world.plan.payment_timeout / 2)
}

/// An order that no stranger has paid for in advance: such money goes back, and a payment that went
/// back is never made again.
async fn order_unpaid(desk: &Desk, key: &str) -> Option<CreateOrderResponse> {
    for number in 0..20 {
        let made = order(desk, &format!("{key}-{number}")).await?;
        let is_paid_for = |id| {
            desk.world
                .stores
                .payment
                .inspect(|rows, _| rows.record(id).is_some())
        };
        if !OrderId::new(made.order_id).is_some_and(is_paid_for) {
            return Some(made);
        }
    }
    None
}

async fn order(desk: &Desk, key: &str) -> Option<CreateOrderResponse> {
    let message = CreateOrderRequest {
        user_id: USER,
        items: vec![CreateOrderItem {
            book_id: BOOK,
            quantity: 1,
        }],
        idempotency_key: key.to_owned(),
    };
    match desk.ask(message).await {
        Ok(reply) if reply.code == 0 => Some(reply),
        answer => {
            desk.world
                .break_law("a-sound-system-sells", format!("{key}: {answer:?}"));
            None
        }
    }
}

/// Pays; `false` where the gateway did not let it in time, `None` where a law was broken.
async fn pay<M: Rpc>(desk: &Desk, payment: M) -> Option<bool> {
    let patience = end_of_patience(desk);
    while desk.world.now() < patience {
        match desk.ask(payment.clone()).await {
            Ok(reply) if reply.code() == 0 => return Some(true),
            Ok(reply) if reply.code() == Code::PaymentRefused.number() => {}
            answer => {
                desk.world
                    .break_law("a-sound-system-sells", format!("{payment:?}: {answer:?}"));
                return None;
            }
        }
    }
    Some(false)
}

/// The order is PAID within a second of the payment's answer.
async fn wait_for_feed(desk: &Desk, order_no: &str) {
    let plan = &desk.world.plan;
    let ways = plan.net.latency_ms_max.max(plan.disk.delay_ms_max);
    let limit = FEED_LIMIT + Duration::from_millis(ways.saturating_mul(20));
    pause(limit).await;
    let message = GetOrderRequest {
        order_no: order_no.to_owned(),
    };
    let answer = desk.ask(message).await;
    let status = answer
        .as_ref()
        .ok()
        .and_then(|reply| reply.order.as_ref())
        .map(|o| o.status);
    if status != Some(OrderStatus::Paid.number()) {
        desk.world.break_law(
            "money-counts-within-a-second",
            format!("{order_no}: {answer:?}"),
        );
    }
    lock(&desk.world.promises)
        .well_since
        .get_or_insert(desk.world.now());
}
