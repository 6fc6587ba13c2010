//! Operators: they publish, price, withdraw and restock, hold stock directly, and look around; and a
//! stranger pays for orders that nobody made.

use api::catalog::v1::{
    BatchGetBooksRequest, Book, GetBookRequest, ListBooksRequest, PublishBookRequest,
    SearchBooksRequest, UnpublishBookRequest, UpdateBookRequest,
};
use api::inventory::v1::{
    BatchGetStockRequest, BatchReleaseStockRequest, CommitStockRequest, DeductStockRequest,
    ReleaseStockRequest, RestockInventoryRequest,
};
use api::order::v1::ListOrdersRequest;
use api::payment::v1::{GetPaymentStatusRequest, PayRequest};
use platform::clock::pause;
use prost_types::FieldMask;
use types::Code;

use super::Desk;
use super::promises::Restock;
use crate::tally::Moment;
use crate::world::lock;

/// How often a delivery is tried at the most; one that is not answered four times.
const TRIES_MAX: u32 = 200;

/// Publishes all books and stocks them; nothing breaks meanwhile.
pub(crate) async fn open_shop(desk: &Desk) {
    for id in 1..=desk.world.plan.people.books {
        publish(desk, id).await;
        let most = desk.world.plan.people.stock;
        let copies = 1 + desk.below(most);
        let key = Some(format!("opening-{id}"));
        deliver(desk, id, i32::try_from(copies).unwrap_or(1), key).await;
    }
}

pub(super) async fn publish(desk: &Desk, id: u64) {
    let sent_ms = desk.world.trace.now_ms();
    let price = any_price(desk);
    let book = Book {
        id,
        title: format!("第{id}本书 Book {id}"),
        author: "某人".to_owned(),
        price,
        ..Book::default()
    };
    let message = PublishBookRequest { book: Some(book) };
    match desk.ask(message).await {
        Ok(reply) if reply.code == 0 => {}
        answer => desk
            .world
            .break_law("a-sound-shop-opens", format!("{answer:?}")),
    }
    let mut promises = lock(&desk.world.promises);
    promises
        .books
        .entry(id)
        .or_default()
        .ask_price(price, sent_ms);
}

fn any_price(desk: &Desk) -> i64 {
    i64::try_from(1 + desk.below(20_000)).unwrap_or(1)
}

/// One delivery; with a key it is repeated a few times where it is not answered.
pub(super) async fn deliver(desk: &Desk, book: u64, quantity: i32, key: Option<String>) {
    let mut restock = Restock {
        book,
        quantity,
        tries: 1,
        done: 0,
    };
    for attempt in 1..=TRIES_MAX {
        let message = RestockInventoryRequest {
            book_id: book,
            quantity,
            idempotency_key: key.clone().unwrap_or_default(),
        };
        match desk.ask_unrefused(message).await {
            Ok(reply) if reply.code == 0 => {
                restock.done = 1;
                break;
            }
            Ok(_) => {}
            Err(_) if key.is_some() && attempt < 4 => {
                desk.world.count(Moment::Repeated);
                desk.think().await;
            }
            Err(_) => break,
        }
    }
    lock(&desk.world.promises).restocks.push(restock);
}

pub(super) async fn restock(desk: Desk) {
    for number in 0..desk.world.plan.people.restocks {
        desk.think().await;
        let key = desk.happens(700).then(|| format!("delivery-{number}"));
        let copies = 1 + desk.below(desk.world.plan.people.stock.min(10));
        let book = desk.any_book();
        deliver(&desk, book, i32::try_from(copies).unwrap_or(1), key).await;
    }
}

/// New prices, and now and then a book that is withdrawn.
pub(super) async fn change_prices(desk: Desk) {
    for _ in 0..desk.world.plan.people.price_changes {
        desk.think().await;
        let id = desk.any_book();
        if desk.happens(100) {
            withdraw(&desk, id).await;
            continue;
        }
        let price = any_price(&desk);
        let book = Book {
            id,
            price,
            ..Book::default()
        };
        let message = UpdateBookRequest {
            book: Some(book),
            update_mask: Some(FieldMask {
                paths: vec!["price".to_owned()],
            }),
        };
        let sent_ms = desk.world.trace.now_ms();
        // While it is under way both prices are right.
        if let Some(book) = lock(&desk.world.promises).books.get_mut(&id) {
            book.ask_price(price, sent_ms);
        }
        let answer = desk.ask_unrefused(message).await;
        let heard_ms = desk.world.trace.now_ms();
        let mut promises = lock(&desk.world.promises);
        let Some(book) = promises.books.get_mut(&id) else {
            continue;
        };
        match answer {
            Ok(reply) if reply.code == 0 => book.confirm_price(heard_ms),
            Ok(_) => {}
            Err(_) => book.in_doubt = true,
        }
    }
}

async fn withdraw(desk: &Desk, id: u64) {
    if let Some(book) = lock(&desk.world.promises).books.get_mut(&id) {
        book.gone_asked = true;
    }
    let message = UnpublishBookRequest { book_id: id };
    if desk.ask_unrefused(message).await.is_ok() {
        let now_ms = desk.world.trace.now_ms();
        if let Some(book) = lock(&desk.world.promises).books.get_mut(&id) {
            book.withdraw(now_ms);
        }
    }
}

/// Deducts without an order, asks again, and gives back or lets go.
pub(super) async fn hold_directly(desk: Desk) {
    for number in 0..desk.world.plan.people.direct_holds {
        desk.think().await;
        let message = DeductStockRequest {
            book_id: desk.any_book(),
            quantity: i32::try_from(1 + desk.below(3)).unwrap_or(1),
            reference_id: 700 + number,
            idempotency_key: format!("hold-{number}"),
        };
        lock(&desk.world.promises)
            .holds
            .push(message.idempotency_key.clone());
        let mut first = None;
        for _ in 0..3 {
            if let Ok(reply) = desk.ask(message.clone()).await
                && reply.code != Code::InsufficientStock.number()
            {
                desk.expect_done(&reply);
                let first = first.get_or_insert(reply.remaining_quantity);
                if *first != reply.remaining_quantity {
                    let what = format!("{message:?}: {first}, then {reply:?}");
                    desk.world.break_law("a-key-is-one-answer", what);
                }
            }
            desk.think().await;
        }
        if first.is_some() {
            end_hold(&desk, &message).await;
        }
    }
}

async fn end_hold(desk: &Desk, held: &DeductStockRequest) {
    if desk.happens(500) {
        let message = ReleaseStockRequest {
            book_id: held.book_id,
            quantity: held.quantity,
            reference_id: held.reference_id,
            idempotency_key: format!("{}-back", held.idempotency_key),
        };
        drop(desk.ask_unrefused(message).await);
    } else {
        let message = CommitStockRequest {
            idempotency_key: held.idempotency_key.clone(),
        };
        drop(desk.ask_unrefused(message).await);
    }
}

/// Gives back, for certain, whatever direct deductions still hold; nothing breaks meanwhile.
pub(crate) async fn settle_direct_holds(desk: &Desk) {
    let keys = lock(&desk.world.promises).holds.clone();
    for key in keys {
        let message = BatchReleaseStockRequest {
            idempotency_key: key,
        };
        match desk.ask(message).await {
            Ok(reply) if reply.code == 0 => {}
            answer => desk
                .world
                .break_law("a-sound-system-answers", format!("{answer:?}")),
        }
    }
}

/// Money for orders that do not exist, or not yet.
pub(super) async fn pay_for_nothing(desk: Desk) {
    for number in 0..desk.world.plan.people.stray_payments {
        desk.think().await;
        let order_id = if desk.happens(500) {
            900_000 + number
        } else {
            1 + desk.below(60)
        };
        let message = PayRequest {
            order_id,
            amount: any_price(&desk),
            payment_method: "mock".to_owned(),
        };
        drop(desk.ask(message).await);
    }
}

/// Reads what there is to read: reads refuse nothing and name nothing that is not there.
pub(super) async fn look_around(desk: Desk) {
    for _ in 0..desk.world.plan.people.buyers * 2 {
        desk.think().await;
        let id = desk.any_book();
        match desk.below(7) {
            0 => drop(desk.ask_unrefused(GetBookRequest { book_id: id }).await),
            1 => {
                let message = ListBooksRequest {
                    page: 1,
                    page_size: 10,
                };
                drop(desk.ask_unrefused(message).await);
            }
            2 => {
                let message = SearchBooksRequest {
                    keyword: "本书".to_owned(),
                    ..Default::default()
                };
                drop(desk.ask_unrefused(message).await);
            }
            3 => {
                let message = BatchGetBooksRequest {
                    book_ids: vec![id, 1, 2],
                };
                drop(desk.ask_unrefused(message).await);
            }
            4 => {
                let message = BatchGetStockRequest {
                    book_ids: vec![id, 1],
                };
                drop(desk.ask_unrefused(message).await);
            }
            5 => drop(desk.ask_unrefused(ListOrdersRequest::default()).await),
            // There may be no such payment.
            _ => drop(desk.ask(GetPaymentStatusRequest { order_id: id }).await),
        }
        pause(desk.world.chances.people.millis(0, 2_000)).await;
    }
}
