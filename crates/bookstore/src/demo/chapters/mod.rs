//! One file a story. Every story makes its own orders, so each can be read by itself.

pub(super) mod expiry;
pub(super) mod last_copy;
pub(super) mod late_money;
pub(super) mod ledger;
pub(super) mod life;
pub(super) mod refused;
pub(super) mod shelf;
pub(super) mod shipped;
pub(super) mod twice;
pub(super) mod wrong_amount;

use std::time::Duration;

use api::catalog::v1::UnpublishBookRequest;
use api::inventory::v1::GetStockRequest;
use api::order::v1::{
    CancelOrderRequest, CreateOrderItem, CreateOrderRequest, CreateOrderResponse, GetOrderRequest,
    GetOrderResponse, Order, PayOrderRequest, PayOrderResponse,
};
use api::payment::v1::{GetPaymentStatusRequest, PayRequest, PayResponse};
use api::{Reply, Rpc};
use types::{Code, OrderStatus, PaymentStatus};

use super::claim::{done, equal, refused as refused_with, says, starts};
use super::narration::Line;
use super::stage::{PATIENCE, Stage, Stop};

/// The two books of the transcript.
#[derive(Debug, Clone, Copy)]
pub(super) struct Books {
    pub(super) go: u64,
    pub(super) systems: u64,
}

/// What the books cost, in fen.
const GO_PRICE_FEN: i64 = 12_800;
const SYSTEMS_PRICE_FEN: i64 = 100;
/// How many copies of each are restocked.
const COPIES: i32 = 100;
/// The gateway that is asked for money.
const METHOD: &str = "mock";
/// Tries to pay before luck is no explanation any more.
const TRIES_MAX: u32 = 25;

/// A request for an order of some books, each `(book, copies)`.
fn basket(user_id: u64, books: &[(u64, i32)], idempotency_key: String) -> CreateOrderRequest {
    let item = |&(book_id, quantity)| CreateOrderItem { book_id, quantity };
    CreateOrderRequest {
        user_id,
        items: books.iter().map(item).collect(),
        idempotency_key,
    }
}

/// Shows the making of an order of one copy of the cheap book.
async fn order_one(stage: &mut Stage, books: Books) -> Result<CreateOrderResponse, Stop> {
    let made = stage
        .call(basket(1, &[(books.systems, 1)], String::new()))
        .await?;
    let total = equal("total", made.total, SYSTEMS_PRICE_FEN);
    stage.answer(
        &made,
        &[
            done(&made),
            total,
            starts("order_no", &made.order_no, "ORD"),
        ],
        Line::Nothing,
    )?;
    Ok(made)
}

/// What both ways of paying answer.
trait Paid: Reply {
    fn payment_no(&self) -> &str;
    fn third_party_no(&self) -> &str;
}

impl Paid for PayResponse {
    fn payment_no(&self) -> &str {
        &self.payment_no
    }

    fn third_party_no(&self) -> &str {
        &self.third_party_no
    }
}

impl Paid for PayOrderResponse {
    fn payment_no(&self) -> &str {
        &self.payment_no
    }

    fn third_party_no(&self) -> &str {
        &self.third_party_no
    }
}

fn pay_directly(order_id: u64, amount: i64) -> PayRequest {
    PayRequest {
        order_id,
        amount,
        payment_method: METHOD.to_owned(),
    }
}

fn pay_order(order_no: &str) -> PayOrderRequest {
    PayOrderRequest {
        order_no: order_no.to_owned(),
        payment_method: METHOD.to_owned(),
    }
}

fn cancel_order(order_no: &str, reason: Line, stage: &Stage) -> CancelOrderRequest {
    let reason = reason.text(stage.locale()).to_owned();
    CancelOrderRequest {
        order_no: order_no.to_owned(),
        reason,
    }
}

/// Shows tries to pay until the mock gateway's luck gives in.
async fn pay_until_paid<M>(stage: &mut Stage, request: M, why: Line) -> Result<M::Reply, Stop>
where
    M: Rpc<Reply: Paid>,
{
    let mut tries = 1_u32;
    loop {
        let reply = stage.call(request.clone()).await?;
        if reply.code() == Code::PaymentRefused.number() && tries < TRIES_MAX {
            let claim = refused_with(&reply, Code::PaymentRefused, stage.locale());
            stage.answer(&reply, &[claim], Line::Nothing)?;
            tries = tries.saturating_add(1);
            continue;
        }
        let claims = [
            says(&reply, api::text::paid(stage.locale())),
            starts("payment_no", reply.payment_no(), "PAY"),
            equal(
                "third_party_no",
                reply.third_party_no(),
                &format!("MOCK{}", reply.payment_no()),
            ),
        ];
        stage.answer(&reply, &claims, why)?;
        return Ok(reply);
    }
}

/// Shows the order once it has the status `promised`; it may take a moment to get there.
async fn find_order(
    stage: &mut Stage,
    order_no: &str,
    promised: OrderStatus,
    why: Line,
) -> Result<Order, Stop> {
    find_order_within(stage, order_no, promised, PATIENCE, why).await
}

async fn find_order_within(
    stage: &mut Stage,
    order_no: &str,
    promised: OrderStatus,
    patience: Duration,
    why: Line,
) -> Result<Order, Stop> {
    let status_of = |reply: &GetOrderResponse| reply.order.as_ref().map(|order| order.status);
    let promised = Some(promised.number());
    let request = GetOrderRequest {
        order_no: order_no.to_owned(),
    };
    let found = stage
        .call_until(request, patience, |reply| status_of(reply) == promised)
        .await?;
    let claims = [done(&found), equal("status", status_of(&found), promised)];
    stage.answer_about(&found, &["status", "cancel_reason"], &claims, why)?;
    Ok(found.order.unwrap_or_default())
}

/// Shows the payment once it has the status `promised`.
async fn find_payment(
    stage: &mut Stage,
    order_id: u64,
    promised: PaymentStatus,
    why: Line,
) -> Result<(), Stop> {
    let promised = Some(promised.number());
    let found = stage
        .call_until(GetPaymentStatusRequest { order_id }, PATIENCE, |reply| {
            reply.payment.as_ref().map(|payment| payment.status) == promised
        })
        .await?;
    let status = found.payment.as_ref().map(|payment| payment.status);
    let claims = [done(&found), equal("status", status, promised)];
    stage.answer_about(&found, &["payment_no", "status"], &claims, why)
}

/// Shows the stock once it is `(quantity, reserved)`.
async fn find_stock(
    stage: &mut Stage,
    book_id: u64,
    promised: (i32, i32),
    why: Line,
) -> Result<(), Stop> {
    let found = stage
        .call_until(GetStockRequest { book_id }, PATIENCE, |reply| {
            reply
                .stock
                .as_ref()
                .is_some_and(|stock| (stock.quantity, stock.reserved) == promised)
        })
        .await?;
    let stock = found.stock.unwrap_or_default();
    let claim = equal(
        "quantity, reserved",
        (stock.quantity, stock.reserved),
        promised,
    );
    stage.answer(&found, &[done(&found), claim], why)
}

/// Cancels, unseen, an order that its story needs no more.
async fn tidy_up(stage: &Stage, order_no: &str) {
    // Where it fails the order expires by itself: no story stands on it.
    drop(
        stage
            .ask(cancel_order(order_no, Line::TidyReason, stage))
            .await,
    );
}

/// Takes books off the shelf, unseen: the system may be one that others use.
pub(super) async fn take_down(stage: &Stage, books: &[u64]) {
    for &book_id in books {
        // A book that stays is only one more book.
        drop(stage.ask(UnpublishBookRequest { book_id }).await);
    }
}
