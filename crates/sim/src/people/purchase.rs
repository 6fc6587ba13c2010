//! What becomes of an order that was made: paid, cancelled, shipped, forgotten, or all at once.

use api::order::v1::{
    CancelOrderRequest, CompleteOrderRequest, GetOrderRequest, PayOrderRequest, ShipOrderRequest,
};
use api::payment::v1::{PayRequest, RefundRequest};
use types::{Code, OrderStatus};

use super::ask::ask;
use super::promises::OrderPromise;
use super::{Desk, PATIENCE};
use crate::tally::Moment;
use crate::world::lock;

/// How often a step is tried.
const TRIES_MAX: u32 = 4;

/// Does with an order what comes to mind.
pub(super) async fn live(desk: &Desk, order_no: &str) {
    desk.think().await;
    match desk.below(100) {
        0..45 => pay(desk, order_no).await,
        45..55 => return cancel(desk, order_no).await,
        // Forgotten: it expires.
        55..67 => return,
        67..77 => pay_directly(desk, order_no, 0).await,
        77..84 => return pay_directly(desk, order_no, 1).await,
        84..92 => {
            tokio::join!(pay(desk, order_no), cancel(desk, order_no));
        }
        _ => {
            tokio::join!(
                pay(desk, order_no),
                pay(desk, order_no),
                pay_directly(desk, order_no, 0)
            );
        }
    }
    look(desk, order_no).await;
    desk.think().await;
    match desk.below(100) {
        0..35 => ship(desk, order_no).await,
        35..50 => cancel(desk, order_no).await,
        50..62 => refund_directly(desk, order_no).await,
        62..75 => {
            tokio::join!(ship(desk, order_no), cancel(desk, order_no));
        }
        _ => {}
    }
}

/// What is known of the order.
fn promise(desk: &Desk, order_no: &str) -> OrderPromise {
    lock(&desk.world.promises)
        .orders
        .get(order_no)
        .cloned()
        .unwrap_or_default()
}

fn note(desk: &Desk, order_no: &str, note: impl FnOnce(&mut OrderPromise)) {
    if let Some(promise) = lock(&desk.world.promises).orders.get_mut(order_no) {
        note(promise);
    }
}

/// An answer other than done. Of an order that exists, a step can only be refused as illegal.
fn judge_refusal(desk: &Desk, order_no: &str, step: &str, code: i32) {
    let illegal = Code::IllegalTransition {
        from: OrderStatus::Paid,
        to: OrderStatus::Paid,
    };
    if code != illegal.number() {
        let what = format!("{step} of {order_no}: {code}");
        desk.world.break_law("refusals-have-a-reason", what);
    }
}

async fn pay(desk: &Desk, order_no: &str) {
    for _ in 0..TRIES_MAX {
        let message = PayOrderRequest {
            order_no: order_no.to_owned(),
            payment_method: "mock".to_owned(),
        };
        let mut client = desk.order.clone();
        let call = |request| async move { client.pay_order(request).await };
        match ask(&desk.world, PATIENCE, message, call).await {
            Ok(reply) if reply.code == 0 => {
                let before = promise(desk, order_no).paid;
                if before.is_some_and(|before| before != reply.payment_no) {
                    let what = format!("{order_no}: another payment {reply:?}");
                    desk.world.break_law("paid-by-one-payment", what);
                }
                note(desk, order_no, |promise| {
                    promise.paid = Some(reply.payment_no);
                });
                return;
            }
            // Refused by the gateway: another try is another charge.
            Ok(reply) if reply.code == Code::PaymentRefused.number() => {}
            Ok(reply) => return judge_refusal(desk, order_no, "payment", reply.code),
            Err(_) => desk.world.count(Moment::Repeated),
        }
        desk.think().await;
    }
}

async fn cancel(desk: &Desk, order_no: &str) {
    for _ in 0..TRIES_MAX {
        let message = CancelOrderRequest {
            order_no: order_no.to_owned(),
            reason: "changed my mind".to_owned(),
        };
        let mut client = desk.order.clone();
        let call = |request| async move { client.cancel_order(request).await };
        match ask(&desk.world, PATIENCE, message, call).await {
            Ok(reply) if reply.code == 0 => {
                let refund_no = Some(reply.refund_no).filter(|no| !no.is_empty());
                note(desk, order_no, |promise| {
                    promise.cancelled = true;
                    if refund_no.is_some() {
                        promise.refund_no = refund_no;
                    }
                });
                return;
            }
            Ok(reply) => return judge_refusal(desk, order_no, "cancellation", reply.code),
            Err(_) => desk.world.count(Moment::Repeated),
        }
        desk.think().await;
    }
}

async fn ship(desk: &Desk, order_no: &str) {
    for _ in 0..TRIES_MAX {
        let message = ShipOrderRequest {
            order_no: order_no.to_owned(),
        };
        let mut client = desk.order.clone();
        let call = |request| async move { client.ship_order(request).await };
        match ask(&desk.world, PATIENCE, message, call).await {
            Ok(reply) if reply.code == 0 => {
                note(desk, order_no, |promise| promise.shipped = true);
                if desk.happens(500) {
                    complete(desk, order_no).await;
                }
                return;
            }
            Ok(reply) => return judge_refusal(desk, order_no, "shipping", reply.code),
            Err(_) => desk.world.count(Moment::Repeated),
        }
        desk.think().await;
    }
}

async fn complete(desk: &Desk, order_no: &str) {
    desk.think().await;
    let message = CompleteOrderRequest {
        order_no: order_no.to_owned(),
    };
    let mut client = desk.order.clone();
    let call = |request| async move { client.complete_order(request).await };
    match ask(&desk.world, PATIENCE, message, call).await {
        Ok(reply) if reply.code == 0 => {
            note(desk, order_no, |promise| promise.completed = true);
        }
        Ok(reply) => judge_refusal(desk, order_no, "completion", reply.code),
        Err(_) => {}
    }
}

/// Pays at the payment service itself, `surplus` fen more than is due.
async fn pay_directly(desk: &Desk, order_no: &str, surplus: i64) {
    let OrderPromise { id, total, .. } = promise(desk, order_no);
    for _ in 0..TRIES_MAX {
        let message = PayRequest {
            order_id: id,
            amount: total + surplus,
            payment_method: "mock".to_owned(),
        };
        let mut client = desk.payment.clone();
        let call = |request| async move { client.pay(request).await };
        match ask(&desk.world, PATIENCE, message, call).await {
            Ok(reply) if reply.code == 0 => return,
            Ok(reply) if reply.code == Code::PaymentRefused.number() => {}
            Ok(reply) => return judge_refusal(desk, order_no, "direct payment", reply.code),
            Err(_) => desk.world.count(Moment::Repeated),
        }
        desk.think().await;
    }
}

async fn refund_directly(desk: &Desk, order_no: &str) {
    let message = RefundRequest {
        order_id: promise(desk, order_no).id,
    };
    let mut client = desk.payment.clone();
    let call = |request| async move { client.refund(request).await };
    // Done, done before, or nothing to give back: all may be.
    drop(ask(&desk.world, PATIENCE, message, call).await);
}

/// Reads the order: what was answered is there to be read, for whoever asks whichever replica.
async fn look(desk: &Desk, order_no: &str) {
    let known = promise(desk, order_no);
    let message = GetOrderRequest {
        order_no: order_no.to_owned(),
    };
    let mut client = desk.order.clone();
    let call = |request| async move { client.get_order(request).await };
    let Ok(reply) = ask(&desk.world, PATIENCE, message, call).await else {
        return;
    };
    let Some(order) = reply.order else {
        desk.world
            .break_law("answered-orders-exist", format!("{order_no}: {reply:?}"));
        return;
    };
    let was_paid = known.paid.is_some();
    let still_pending = order.status == OrderStatus::Pending.number();
    let is_cancelled = order.status == OrderStatus::Cancelled.number();
    let forgotten = was_paid && still_pending || known.cancelled && !is_cancelled;
    if order.total != known.total || forgotten {
        desk.world.break_law(
            "reads-see-what-was-answered",
            format!("{known:?}: {order:?}"),
        );
    }
}
