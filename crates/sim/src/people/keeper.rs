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

use super::ask::ask;
use super::promises::Restock;
use super::{Desk, PATIENCE};
use crate::tally::Moment;
use crate::world::lock;

/// How often something is tried that has to be done in the end.
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
    let mut client = desk.catalog.clone();
    let call = |request| async move { client.publish_book(request).await };
    match ask(&desk.world, PATIENCE, message, call).await {
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

/// One delivery; with a key it is repeated until it is confirmed.
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
        let mut client = desk.inventory.clone();
        let call = |request| async move { client.restock_inventory(request).await };
        match ask(&desk.world, PATIENCE, message, call).await {
            Ok(reply) if reply.code == 0 => {
                restock.done = 1;
                break;
            }
            Ok(reply) => desk
                .world
                .break_law("refusals-have-a-reason", format!("{reply:?}")),
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

/// New prices, and at most one book that is withdrawn.
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
        let mut client = desk.catalog.clone();
        let call = |request| async move { client.update_book(request).await };
        // While it is under way both prices are right.
        if let Some(book) = lock(&desk.world.promises).books.get_mut(&id) {
            book.ask_price(price, sent_ms);
        }
        let answer = ask(&desk.world, PATIENCE, message, call).await;
        let heard_ms = desk.world.trace.now_ms();
        let mut promises = lock(&desk.world.promises);
        let Some(book) = promises.books.get_mut(&id) else {
            continue;
        };
        match answer {
            Ok(reply) if reply.code == 0 => book.confirm_price(heard_ms),
            Ok(reply) => desk
                .world
                .break_law("refusals-have-a-reason", format!("{reply:?}")),
            Err(_) => book.in_doubt = true,
        }
    }
}

async fn withdraw(desk: &Desk, id: u64) {
    if let Some(book) = lock(&desk.world.promises).books.get_mut(&id) {
        book.gone_asked = true;
    }
    let mut client = desk.catalog.clone();
    let call = |request| async move { client.unpublish_book(request).await };
    let message = UnpublishBookRequest { book_id: id };
    if let Ok(reply) = ask(&desk.world, PATIENCE, message, call).await {
        if reply.code != 0 {
            desk.world
                .break_law("refusals-have-a-reason", format!("{reply:?}"));
        }
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
            let mut client = desk.inventory.clone();
            let call = |request| async move { client.deduct_stock(request).await };
            if let Ok(reply) = ask(&desk.world, PATIENCE, message.clone(), call).await {
                let refused = reply.code == Code::InsufficientStock.number();
                if reply.code != 0 && !refused {
                    desk.world
                        .break_law("refusals-have-a-reason", format!("{reply:?}"));
                }
                if !refused {
                    let first = first.get_or_insert(reply.remaining_quantity);
                    if *first != reply.remaining_quantity {
                        let what = format!("{message:?}: {first}, then {reply:?}");
                        desk.world.break_law("a-key-is-one-answer", what);
                    }
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
    let mut client = desk.inventory.clone();
    if desk.happens(500) {
        let message = ReleaseStockRequest {
            book_id: held.book_id,
            quantity: held.quantity,
            reference_id: held.reference_id,
            idempotency_key: format!("{}-back", held.idempotency_key),
        };
        let call = |request| async move { client.release_stock(request).await };
        if let Ok(reply) = ask(&desk.world, PATIENCE, message, call).await
            && reply.code != 0
        {
            desk.world
                .break_law("refusals-have-a-reason", format!("{reply:?}"));
        }
    } else {
        let message = CommitStockRequest {
            idempotency_key: held.idempotency_key.clone(),
        };
        let call = |request| async move { client.commit_stock(request).await };
        if let Ok(reply) = ask(&desk.world, PATIENCE, message, call).await
            && reply.code != 0
        {
            desk.world
                .break_law("refusals-have-a-reason", format!("{reply:?}"));
        }
    }
}

/// Gives back, for certain, whatever direct deductions still hold; nothing breaks meanwhile.
pub(crate) async fn settle_direct_holds(desk: &Desk) {
    let keys = lock(&desk.world.promises).holds.clone();
    for key in keys {
        let message = BatchReleaseStockRequest {
            idempotency_key: key,
        };
        let mut client = desk.inventory.clone();
        let call = |request| async move { client.batch_release_stock(request).await };
        match ask(&desk.world, PATIENCE, message, call).await {
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
        let mut client = desk.payment.clone();
        let call = |request| async move { client.pay(request).await };
        drop(ask(&desk.world, PATIENCE, message, call).await);
    }
}

/// Reads what there is to read: reads refuse nothing and name nothing that is not there.
pub(super) async fn look_around(desk: Desk) {
    for _ in 0..desk.world.plan.people.buyers * 2 {
        desk.think().await;
        let id = desk.any_book();
        let world = &desk.world;
        let code = match desk.below(7) {
            0 => {
                let mut client = desk.catalog.clone();
                let call = |request| async move { client.get_book(request).await };
                ask(world, PATIENCE, GetBookRequest { book_id: id }, call)
                    .await
                    .map(|r| r.code)
            }
            1 => {
                let mut client = desk.catalog.clone();
                let message = ListBooksRequest {
                    page: 1,
                    page_size: 10,
                };
                let call = |request| async move { client.list_books(request).await };
                ask(world, PATIENCE, message, call).await.map(|r| r.code)
            }
            2 => {
                let mut client = desk.catalog.clone();
                let message = SearchBooksRequest {
                    keyword: "本书".to_owned(),
                    ..Default::default()
                };
                let call = |request| async move { client.search_books(request).await };
                ask(world, PATIENCE, message, call).await.map(|r| r.code)
            }
            3 => {
                let mut client = desk.catalog.clone();
                let message = BatchGetBooksRequest {
                    book_ids: vec![id, 1, 2],
                };
                let call = |request| async move { client.batch_get_books(request).await };
                ask(world, PATIENCE, message, call).await.map(|r| r.code)
            }
            4 => {
                let mut client = desk.inventory.clone();
                let message = BatchGetStockRequest {
                    book_ids: vec![id, 1],
                };
                let call = |request| async move { client.batch_get_stock(request).await };
                ask(world, PATIENCE, message, call).await.map(|r| r.code)
            }
            5 => {
                let mut client = desk.order.clone();
                let call = |request| async move { client.list_orders(request).await };
                ask(world, PATIENCE, ListOrdersRequest::default(), call)
                    .await
                    .map(|r| r.code)
            }
            _ => {
                let mut client = desk.payment.clone();
                let message = GetPaymentStatusRequest { order_id: id };
                let call = |request| async move { client.get_payment_status(request).await };
                // There may be no such payment.
                ask(world, PATIENCE, message, call).await.map(|_| 0)
            }
        };
        if let Ok(code) = code
            && code != 0
        {
            world.break_law("refusals-have-a-reason", format!("a read: {code}"));
        }
        pause(desk.world.chances.people.millis(0, 2_000)).await;
    }
}
