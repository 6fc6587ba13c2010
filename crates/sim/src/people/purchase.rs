//! What becomes of an order that was made: paid, cancelled, shipped, forgotten, or all at once.

use api::order::v1::{
    CancelOrderRequest, CompleteOrderRequest, GetOrderRequest, PayOrderRequest, ShipOrderRequest,
};
use api::payment::v1::{PayRequest, RefundRequest};
use api::{Reply, Rpc};
use types::{Code, OrderStatus};

use super::Desk;
use super::promises::OrderPromise;
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
fn judge_refusal(desk: &Desk, order_no: &str, method: &str, code: i32) {
    let illegal = Code::IllegalTransition {
        from: OrderStatus::Paid,
        to: OrderStatus::Paid,
    };
    if code != illegal.number() {
        let what = format!("{method} of {order_no}: {code}");
        desk.world.break_law("refusals-have-a-reason", what);
    }
}

/// Takes a step until it is answered, a few times at the most; `None` where it was not done.
async fn take<M: Rpc>(desk: &Desk, order_no: &str, step: M) -> Option<M::Reply> {
    let is_payment = [PayOrderRequest::METHOD, PayRequest::METHOD].contains(&M::METHOD);
    for _ in 0..TRIES_MAX {
        match desk.ask(step.clone()).await {
            Ok(reply) if reply.code() == 0 => return Some(reply),
            // Refused by the gateway: another try is another charge.
            Ok(reply) if is_payment && reply.code() == Code::PaymentRefused.number() => {}
            Ok(reply) => {
                judge_refusal(desk, order_no, M::METHOD, reply.code());
                return None;
            }
            Err(_) => desk.world.count(Moment::Repeated),
        }
        desk.think().await;
    }
    None
}

async fn pay(desk: &Desk, order_no: &str) {
    let payment = PayOrderRequest {
        order_no: order_no.to_owned(),
        payment_method: "mock".to_owned(),
    };
    let Some(reply) = take(desk, order_no, payment).await else {
        return;
    };
    let before = promise(desk, order_no).paid;
    if before.is_some_and(|before| before != reply.payment_no) {
        let what = format!("{order_no}: another payment {reply:?}");
        desk.world.break_law("paid-by-one-payment", what);
    }
    note(desk, order_no, |promise| {
        promise.paid = Some(reply.payment_no);
    });
}

async fn cancel(desk: &Desk, order_no: &str) {
    let cancellation = CancelOrderRequest {
        order_no: order_no.to_owned(),
        reason: "changed my mind".to_owned(),
    };
    let Some(reply) = take(desk, order_no, cancellation).await else {
        return;
    };
    let refund_no = Some(reply.refund_no).filter(|no| !no.is_empty());
    note(desk, order_no, |promise| {
        promise.cancelled = true;
        if refund_no.is_some() {
            promise.refund_no = refund_no;
        }
    });
}

async fn ship(desk: &Desk, order_no: &str) {
    let shipment = ShipOrderRequest {
        order_no: order_no.to_owned(),
    };
    if take(desk, order_no, shipment).await.is_none() {
        return;
    }
    note(desk, order_no, |promise| promise.shipped = true);
    if desk.happens(500) {
        complete(desk, order_no).await;
    }
}

async fn complete(desk: &Desk, order_no: &str) {
    desk.think().await;
    let completion = CompleteOrderRequest {
        order_no: order_no.to_owned(),
    };
    match desk.ask(completion).await {
        Ok(reply) if reply.code == 0 => {
            note(desk, order_no, |promise| promise.completed = true);
        }
        Ok(reply) => judge_refusal(desk, order_no, CompleteOrderRequest::METHOD, reply.code),
        Err(_) => {}
    }
}

/// Pays at the payment service itself, `surplus` fen more than is due.
async fn pay_directly(desk: &Desk, order_no: &str, surplus: i64) {
    let OrderPromise { id, total, .. } = promise(desk, order_no);
    let payment = PayRequest {
        order_id: id,
        amount: total + surplus,
        payment_method: "mock".to_owned(),
    };
    take(desk, order_no, payment).await;
}

async fn refund_directly(desk: &Desk, order_no: &str) {
    let order_id = promise(desk, order_no).id;
    // Done, done before, or nothing to give back: all may be.
    drop(desk.ask(RefundRequest { order_id }).await);
}

/// Reads the order: what was answered is there to be read, for whoever asks whichever replica.
async fn look(desk: &Desk, order_no: &str) {
    let known = promise(desk, order_no);
    let message = GetOrderRequest {
        order_no: order_no.to_owned(),
    };
    let Ok(reply) = desk.ask(message).await else {
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
