//! A buyer: fills a basket, orders it, and does with the order what people do.

use std::collections::BTreeMap;

use api::order::v1::{CreateOrderItem, CreateOrderRequest, CreateOrderResponse};
use types::Code;

use super::ask::says_nothing_happened;
use super::promises::{OrderPromise, Unkeyed};
use super::{Desk, purchase};
use crate::tally::Moment;
use crate::world::lock;

/// Users who order without a key have numbers of their own, so that their orders can be counted.
const UNKEYED_FROM: u64 = 1_000_000;
/// How often a request is made at the most.
const TRIES_MAX: u32 = 4;

/// Orders one thing after another.
pub(super) async fn shop(desk: Desk, user: u64) {
    for number in 1..=desk.world.plan.people.orders_each {
        desk.think().await;
        let order_no = if desk.happens(800) {
            order_with_key(&desk, user, number).await
        } else {
            order_without_key(&desk, UNKEYED_FROM + user * 1000 + number).await
        };
        if let Some(order_no) = order_no {
            purchase::live(&desk, &order_no).await;
        }
        if !desk.world.is_sound() {
            return;
        }
    }
}

/// Some books, now and then one of them on two lines.
fn fill_basket(desk: &Desk) -> Vec<CreateOrderItem> {
    let mut items = Vec::new();
    for _ in 0..=desk.below(3) {
        let quantity = if desk.happens(700) {
            1
        } else {
            1 + desk.below(3)
        };
        items.push(CreateOrderItem {
            book_id: desk.any_book(),
            quantity: i32::try_from(quantity).unwrap_or(1),
        });
    }
    items
}

fn sum_up(items: &[CreateOrderItem]) -> BTreeMap<u64, i32> {
    let mut basket = BTreeMap::new();
    for item in items {
        *basket.entry(item.book_id).or_default() += item.quantity;
    }
    basket
}

/// Orders under a key, and repeats where the answer left something open; now and then also where it
/// did not, twice at once, or with something else in the basket.
async fn order_with_key(desk: &Desk, user: u64, number: u64) -> Option<String> {
    let message = CreateOrderRequest {
        user_id: user,
        items: fill_basket(desk),
        idempotency_key: format!("key-{user}-{number}"),
    };
    let sent_ms = desk.world.trace.now_ms();
    let mut made = None;
    for attempt in 1..=TRIES_MAX {
        if attempt > 1 {
            desk.world.count(Moment::Repeated);
            desk.think().await;
        }
        let acked_before = is_acked(desk, &message);
        let answers = if desk.happens(150) {
            let (one, other) = tokio::join!(desk.ask(message.clone()), desk.ask(message.clone()));
            vec![one, other]
        } else {
            vec![desk.ask(message.clone()).await]
        };
        let mut is_refused = false;
        for answer in answers {
            match answer {
                Ok(reply) if reply.code == 0 => {
                    note_order(desk, &message, sent_ms, &reply);
                    made = Some(reply.order_no);
                }
                Ok(reply) => {
                    note_refusal(desk, &message, acked_before, &reply);
                    is_refused = true;
                }
                Err(_) => {}
            }
        }
        let curious = desk.happens(150);
        if made.is_some() && !curious || is_refused && !desk.happens(300) {
            break;
        }
    }
    if made.is_some() && desk.happens(100) {
        reuse_key(desk, message).await;
    }
    made
}

async fn order_without_key(desk: &Desk, user: u64) -> Option<String> {
    let message = CreateOrderRequest {
        user_id: user,
        items: fill_basket(desk),
        idempotency_key: String::new(),
    };
    let sent_ms = desk.world.trace.now_ms();
    let answer = desk.ask(message.clone()).await;
    let known = match &answer {
        Ok(reply) => Some(reply.code == 0),
        Err(status) if says_nothing_happened(status) => Some(false),
        Err(_) => None,
    };
    let unkeyed = Unkeyed {
        user,
        answer: known,
    };
    lock(&desk.world.promises).unkeyed.push(unkeyed);
    let reply = answer.ok()?;
    if reply.code != 0 {
        note_refusal(desk, &message, false, &reply);
        return None;
    }
    note_order(desk, &message, sent_ms, &reply);
    Some(reply.order_no)
}

/// The same key for something else is a conflict, for ever.
async fn reuse_key(desk: &Desk, mut message: CreateOrderRequest) {
    message.items.push(CreateOrderItem {
        book_id: desk.any_book(),
        quantity: 7,
    });
    if let Ok(reply) = desk.ask(message).await {
        desk.world.count(Moment::KeyReused);
        if reply.code != Code::KeyConflict.number() {
            desk.world
                .break_law("a-key-is-one-request", format!("{reply:?}"));
        }
    }
}

fn note_order(
    desk: &Desk,
    message: &CreateOrderRequest,
    sent_ms: u64,
    reply: &CreateOrderResponse,
) {
    let heard_ms = desk.world.trace.now_ms();
    let mut promises = lock(&desk.world.promises);
    let is_keyed = !message.idempotency_key.is_empty();
    let key = (message.user_id, message.idempotency_key.clone());
    if is_keyed {
        let first = promises
            .keys
            .entry(key)
            .or_insert_with(|| reply.order_no.clone());
        if *first != reply.order_no {
            let what = format!("{message:?}: {first}, then {reply:?}");
            desk.world.break_law("a-key-is-one-answer", what);
        }
    }
    let promise = promises.orders.entry(reply.order_no.clone());
    let promise = promise.or_insert_with(|| OrderPromise {
        id: reply.order_id,
        total: reply.total,
        basket: sum_up(&message.items),
        sent_ms,
        heard_ms,
        ..OrderPromise::default()
    });
    if (promise.id, promise.total) != (reply.order_id, reply.total) {
        let what = format!("{promise:?}, then {reply:?}");
        desk.world.break_law("a-key-is-one-answer", what);
    }
}

/// Whether the key has made an order that its user knows of.
fn is_acked(desk: &Desk, message: &CreateOrderRequest) -> bool {
    let key = (message.user_id, message.idempotency_key.clone());
    lock(&desk.world.promises).keys.contains_key(&key)
}

/// Refusals have a reason, and do not come after an order was made under the key.
fn note_refusal(
    desk: &Desk,
    message: &CreateOrderRequest,
    acked_before: bool,
    reply: &CreateOrderResponse,
) {
    let promises = lock(&desk.world.promises);
    let broken = |law| desk.world.break_law(law, format!("{message:?}: {reply:?}"));
    if acked_before {
        broken("a-key-is-one-answer");
    }
    if reply.code == Code::InsufficientStock.number() {
        desk.world.count(Moment::SoldOut);
    } else if reply.code == Code::BookNotFound.number() {
        desk.world.count(Moment::BookGone);
        let mut books = message
            .items
            .iter()
            .filter_map(|item| promises.books.get(&item.book_id));
        if !books.any(|book| book.gone_asked) {
            broken("books-for-sale-are-found");
        }
    } else {
        broken("refusals-have-a-reason");
    }
}
