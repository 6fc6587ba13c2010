//! From answers to messages.

use api::order::v1::{
    CancelOrderResponse, CreateOrderResponse, GetOrderResponse, ListOrdersResponse, Order,
    OrderItem, PayOrderResponse,
};
use types::{Locale, RefundNo};

use crate::app::{Created, PaidOrder};
use crate::domain::{CancelCause, Item, OrderDetail};

pub(super) fn created(created: &Created) -> CreateOrderResponse {
    CreateOrderResponse {
        order_no: created.order_no.to_string(),
        total: created.total.get(),
        order_id: created.id.get(),
        ..Default::default()
    }
}

pub(super) fn found(detail: OrderDetail, locale: Locale) -> GetOrderResponse {
    GetOrderResponse {
        order: Some(order(detail, locale)),
        ..Default::default()
    }
}

pub(super) fn listed(orders: Vec<OrderDetail>, total: u64, locale: Locale) -> ListOrdersResponse {
    ListOrdersResponse {
        orders: orders
            .into_iter()
            .map(|detail| order(detail, locale))
            .collect(),
        total: i64::try_from(total).unwrap_or(i64::MAX),
        ..Default::default()
    }
}

pub(super) fn paid(paid: PaidOrder, locale: Locale) -> PayOrderResponse {
    let text = if paid.before {
        api::text::already_paid(locale)
    } else {
        api::text::paid(locale)
    };
    PayOrderResponse {
        message: text.to_owned(),
        payment_no: paid.payment.payment_no.to_string(),
        third_party_no: paid.payment.third_party_no.unwrap_or_default(),
        ..Default::default()
    }
}

pub(super) fn cancelled(refund_no: Option<RefundNo>) -> CancelOrderResponse {
    let refund_no = refund_no.map(|refund_no| refund_no.to_string());
    CancelOrderResponse {
        refund_no: refund_no.unwrap_or_default(),
        ..Default::default()
    }
}

fn order(detail: OrderDetail, locale: Locale) -> Order {
    let OrderDetail { order, items } = detail;
    Order {
        id: order.id.get(),
        order_no: order.order_no.to_string(),
        user_id: order.user_id.get(),
        total: order.total.get(),
        status: order.stage.number(),
        items: items.into_iter().map(item).collect(),
        created_at: order.created_at.seconds(),
        updated_at: order.updated_at.seconds(),
        expire_at: order.expire_at.seconds(),
        cancel_reason: order
            .cancelled
            .map(|cause| reason(cause, locale))
            .unwrap_or_default(),
    }
}

fn item(item: Item) -> OrderItem {
    OrderItem {
        book_id: item.book_id.get(),
        book_title: item.book_title,
        quantity: item.quantity.get(),
        price: item.price.get(),
    }
}

/// The caller's own words, or a standard text where no caller asked.
fn reason(cause: CancelCause, locale: Locale) -> String {
    let (zh, en) = match cause {
        CancelCause::Asked(words) => return words,
        CancelCause::Expired => ("超时未支付", "not paid in time"),
        CancelCause::WrongAmount => ("支付金额不符", "paid with another amount"),
        CancelCause::Refunded => ("支付已退款", "the payment was refunded"),
    };
    match locale {
        Locale::Zh => zh.to_owned(),
        Locale::En => en.to_owned(),
    }
}
