//! What orders need of the other services, answered at once and remembered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use order::clients::{
    CatalogClient, Charge, Deduction, Effect, InventoryClient, PaymentClient, PaymentFeed,
    PaymentState, Unanswered,
};
use order::domain::{Line, Quote, Receipt};
use platform::context::CallContext;
use types::{BookId, Fen, OrderId, OrderNo, PaymentNo, PaymentStatus, UnixMillis};

/// The other three services in one.
///
/// Books 1 to 6 are sold, 7 was withdrawn, no other is known; 3 costs nothing and 4 the most there is;
/// of 5 there is none. Odd amounts are not paid.
#[derive(Default)]
pub(super) struct Upstreams {
    held: Mutex<Held>,
}

/// What the others remember of orders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    pub(super) stock: BTreeMap<OrderNo, Hold>,
    pub(super) money: BTreeMap<OrderId, (Fen, PaymentStatus)>,
}

/// What became of an order's stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Held,
    Released,
    Committed,
}

impl Upstreams {
    pub(super) fn held<T>(&self, use_it: impl FnOnce(&mut Held) -> T) -> T {
        use_it(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl CatalogClient for Upstreams {
    async fn read_books(
        &self,
        _: &CallContext,
        books: &[BookId],
    ) -> Result<Arc<[Quote]>, Unanswered> {
        let known = books.iter().filter(|book| book.get() <= 7);
        Ok(known
            .map(|book| Quote {
                book_id: *book,
                title: format!("book {book}"),
                price: match book.get() {
                    3 => Fen::ZERO,
                    4 => Fen::stored(types::PRICE_FEN_MAX),
                    other => Fen::stored(i64::try_from(other).unwrap_or(1)),
                },
                unpublished: book.get() == 7,
            })
            .collect())
    }
}

#[async_trait]
impl InventoryClient for Upstreams {
    async fn deduct(
        &self,
        _: &CallContext,
        order_no: &OrderNo,
        _: OrderId,
        lines: &[Line],
    ) -> Deduction {
        self.held(|held| match held.stock.get(order_no) {
            Some(Hold::Released) => Deduction::Fenced,
            Some(Hold::Held | Hold::Committed) => Deduction::Held,
            None if lines.iter().any(|line| line.book_id.get() == 5) => {
                Deduction::Short(BookId::new(5))
            }
            None => {
                held.stock.insert(order_no.clone(), Hold::Held);
                Deduction::Held
            }
        })
    }

    async fn read_free(&self, _: &CallContext, book: BookId) -> Result<i32, Unanswered> {
        Ok(if book.get() == 5 { 0 } else { i32::MAX })
    }

    async fn release(&self, _: &CallContext, order_no: &OrderNo) -> Effect {
        self.held(|held| held.stock.insert(order_no.clone(), Hold::Released));
        Effect::Done
    }

    async fn commit(&self, _: &CallContext, order_no: &OrderNo) -> Effect {
        self.held(|held| held.stock.insert(order_no.clone(), Hold::Committed));
        Effect::Done
    }
}

#[async_trait]
impl PaymentClient for Upstreams {
    async fn pay(&self, _: &CallContext, order_id: OrderId, amount: Fen, method: &str) -> Charge {
        if method != "mock" {
            return Charge::NoSuchMethod;
        }
        self.held(|held| match held.money.get(&order_id) {
            Some((_, PaymentStatus::Paid)) => Charge::Paid,
            Some((_, PaymentStatus::Refunded)) => Charge::Refused,
            _ if amount.get() % 2 == 1 => Charge::Refused,
            _ => {
                held.money.insert(order_id, (amount, PaymentStatus::Paid));
                Charge::Paid
            }
        })
    }

    async fn read_payment(
        &self,
        _: &CallContext,
        order_id: OrderId,
    ) -> Result<Option<PaymentState>, Unanswered> {
        let found = self.held(|held| held.money.get(&order_id).copied());
        Ok(found.map(|(amount, status)| PaymentState {
            receipt: Receipt {
                payment_no: PaymentNo::generate(UnixMillis::new(0), order_id.get()),
                third_party_no: None,
                amount,
            },
            status,
        }))
    }

    async fn refund(&self, _: &CallContext, order_id: OrderId) -> Effect {
        self.held(|held| {
            if let Some((_, status)) = held.money.get_mut(&order_id) {
                *status = PaymentStatus::Refunded;
            }
        });
        Effect::Done
    }

    async fn watch(&self, _: u64) -> Result<PaymentFeed, Unanswered> {
        Ok(futures::stream::pending().boxed())
    }
}
