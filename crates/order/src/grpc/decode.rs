//! From messages to checked values. Everything wrong with a request is collected before it is
//! answered.

use api::order::v1::{CancelOrderRequest, CreateOrderRequest, ListOrdersRequest, PayOrderRequest};
use types::{
    IdempotencyKey, OrderNo, OrderStatus, Page, TextRule, UserId, Violations, checked_text,
};

use crate::app::{CreateOrder, PayOrder};
use crate::domain::Basket;
use crate::store::OrderFilter;

const REASON: TextRule = TextRule {
    chars_min: 0,
    chars_max: 200,
    multiline: false,
};
const PAYMENT_METHOD: TextRule = TextRule {
    chars_min: 1,
    chars_max: 20,
    multiline: false,
};

pub(super) fn create_order(message: &CreateOrderRequest) -> Result<CreateOrder, Violations> {
    let mut violations = Violations::default();
    let user_id = read_user(message.user_id, &mut violations);
    let lines = message
        .items
        .iter()
        .map(|item| (item.book_id, item.quantity));
    let basket = Basket::read(lines, &mut violations);
    let key = read_key(&message.idempotency_key, &mut violations);
    match (user_id, basket) {
        (Some(user_id), Some(basket)) if violations.is_empty() => Ok(CreateOrder {
            user_id,
            basket,
            key,
        }),
        _ => Err(violations),
    }
}

pub(super) fn order_no(text: &str) -> Result<OrderNo, Violations> {
    let mut violations = Violations::default();
    read_order_no(text, &mut violations).ok_or(violations)
}

pub(super) fn list_orders(message: &ListOrdersRequest) -> Result<(OrderFilter, Page), Violations> {
    let mut violations = Violations::default();
    let user_id = match message.user_id {
        0 => None,
        id => read_user(id, &mut violations),
    };
    let status = match message.status {
        0 => None,
        number => violations.require(
            "status",
            OrderStatus::from_number(i64::from(number)),
            "must be between 0 and 5",
        ),
    };
    let page = Page::read(message.page, message.page_size, &mut violations);
    violations.into_result()?;
    Ok((OrderFilter { user_id, status }, page))
}

pub(super) fn pay_order(message: &PayOrderRequest) -> Result<PayOrder, Violations> {
    let mut violations = Violations::default();
    let order_no = read_order_no(&message.order_no, &mut violations);
    let method = &message.payment_method;
    let payment_method = checked_text("payment_method", method, PAYMENT_METHOD, &mut violations);
    match order_no {
        Some(order_no) if violations.is_empty() => Ok(PayOrder {
            order_no,
            payment_method,
        }),
        _ => Err(violations),
    }
}

pub(super) fn cancel_order(message: &CancelOrderRequest) -> Result<(OrderNo, String), Violations> {
    let mut violations = Violations::default();
    let order_no = read_order_no(&message.order_no, &mut violations);
    let reason = checked_text("reason", &message.reason, REASON, &mut violations);
    match order_no {
        Some(order_no) if violations.is_empty() => Ok((order_no, reason)),
        _ => Err(violations),
    }
}

fn read_user(id: u64, violations: &mut Violations) -> Option<UserId> {
    violations.require("user_id", UserId::new(id), "must be between 1 and 2^53")
}

fn read_order_no(text: &str, violations: &mut Violations) -> Option<OrderNo> {
    let order_no = OrderNo::parse(text.trim());
    violations.require(
        "order_no",
        order_no,
        "must be 1 to 32 visible ASCII characters",
    )
}

/// An empty text means that there is no key.
fn read_key(text: &str, violations: &mut Violations) -> Option<IdempotencyKey> {
    if text.is_empty() {
        return None;
    }
    let key = IdempotencyKey::new(text);
    violations.require(
        "idempotency_key",
        key,
        "must be 1 to 64 bytes without control characters",
    )
}
