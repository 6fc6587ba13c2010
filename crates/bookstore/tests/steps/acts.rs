//! What the people of several stories do, and what they send.

use api::inventory::v1::{BatchDeductStockRequest, DeductBatchesRequest, StockItem};
use api::order::v1::{CancelOrderRequest, CreateOrderItem, CreateOrderRequest, PayOrderRequest};
use api::payment::v1::PayRequest;

use crate::shop::{Shop, Stop};

pub(crate) const PENDING: i32 = 1;
pub(crate) const PAID: i32 = 2;
pub(crate) const SHIPPED: i32 = 3;
pub(crate) const COMPLETED: i32 = 4;
pub(crate) const CANCELLED: i32 = 5;

/// An order that was made.
pub(crate) struct Placed {
    pub(crate) no: String,
    pub(crate) id: u64,
    pub(crate) total: i64,
}

/// Two copies of the first book and one of the second.
pub(crate) async fn place(shop: &Shop) -> Result<Placed, Stop> {
    place_under("an-order", shop).await
}

pub(crate) async fn place_under(key: &str, shop: &Shop) -> Result<Placed, Stop> {
    let reply = shop.done(order(&[(1, 2), (2, 1)], key)).await?;
    shop.note(
        &reply.order_no,
        &[PENDING, PAID, SHIPPED, COMPLETED, CANCELLED],
    );
    Ok(Placed {
        no: reply.order_no,
        id: reply.order_id,
        total: reply.total,
    })
}

pub(crate) async fn pay(shop: &Shop, placed: &Placed) -> Result<(), Stop> {
    shop.done(pay_order(placed)).await?;
    shop.note(&placed.no, &[PAID, SHIPPED, COMPLETED, CANCELLED]);
    Ok(())
}

pub(crate) async fn cancel(shop: &Shop, placed: &Placed) -> Result<(), Stop> {
    let reason = "changed my mind".to_owned();
    let order_no = placed.no.clone();
    shop.done(CancelOrderRequest { order_no, reason }).await?;
    shop.note(&placed.no, &[CANCELLED]);
    Ok(())
}

/// Money that the order service gives back by itself; a repeat may come after that.
pub(crate) async fn pay_in_vain(shop: &Shop, order_id: u64, amount: i64) -> Result<(), Stop> {
    shop.until(charge(order_id, amount), |reply| {
        reply.code == 0 || reply.message == "订单已退款"
    })
    .await?;
    Ok(())
}

pub(crate) fn order(items: &[(u64, i32)], key: &str) -> CreateOrderRequest {
    let item = |&(book_id, quantity): &(u64, i32)| CreateOrderItem { book_id, quantity };
    CreateOrderRequest {
        user_id: 1,
        items: items.iter().map(item).collect(),
        idempotency_key: key.to_owned(),
    }
}

pub(crate) fn pay_order(placed: &Placed) -> PayOrderRequest {
    PayOrderRequest {
        order_no: placed.no.clone(),
        payment_method: "mock".to_owned(),
    }
}

pub(crate) fn charge(order_id: u64, amount: i64) -> PayRequest {
    PayRequest {
        order_id,
        amount,
        payment_method: "mock".to_owned(),
    }
}

pub(crate) fn batches(
    batches: impl IntoIterator<Item = BatchDeductStockRequest>,
) -> DeductBatchesRequest {
    DeductBatchesRequest {
        batches: batches.into_iter().map(Into::into).collect(),
    }
}

pub(crate) fn batch(book_id: u64, quantity: i32, key: &str) -> BatchDeductStockRequest {
    BatchDeductStockRequest {
        idempotency_key: key.to_owned(),
        reference_id: 1 << 41,
        items: vec![StockItem { book_id, quantity }],
    }
}
