//! The steps that most stories begin with: books on the shelf, orders, money.

use anyhow::{Context, bail};
use api::catalog::v1::{Book, PublishBookRequest};
use api::inventory::v1::{GetStockRequest, RestockInventoryRequest};
use api::order::v1::{
    CancelOrderRequest, CancelOrderResponse, CreateOrderItem, CreateOrderRequest, GetOrderRequest,
    Order, PayOrderRequest, PayOrderResponse, ShipOrderRequest,
};
use api::payment::v1::{GetPaymentStatusRequest, PayRequest, PayResponse, Payment};
use testkit::eventually;

use crate::clients::Clients;

/// The states of an order on the wire.
pub const PENDING: i32 = 1;
/// Paid in full.
pub const PAID: i32 = 2;
/// The goods have left.
pub const SHIPPED: i32 = 3;
/// The end of a good order.
pub const COMPLETED: i32 = 4;
/// The end of an order that was called off.
pub const CANCELLED: i32 = 5;

/// The states of a payment on the wire: the money is ours.
pub const MONEY_TAKEN: i32 = 2;
/// The money was given back.
pub const MONEY_RETURNED: i32 = 3;

/// How often a payment is tried where the mock refuses three in ten.
const TRIES: usize = 64;

/// An order that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its number.
    pub no: String,
    /// Its internal id.
    pub id: u64,
    /// In fen.
    pub total: i64,
}

/// A book to publish: id 0 lets the catalog choose.
pub fn book(id: u64, title: &str, price: i64) -> PublishBookRequest {
    let (title, author) = (title.to_owned(), "测试作者".to_owned());
    PublishBookRequest {
        book: Some(Book {
            id,
            title,
            author,
            price,
            ..Book::default()
        }),
    }
}

/// Asks for an order of these books, under `key` unless it is empty.
pub fn order(user_id: u64, items: &[(u64, i32)], key: &str) -> CreateOrderRequest {
    let item = |&(book_id, quantity): &(u64, i32)| CreateOrderItem { book_id, quantity };
    let idempotency_key = key.to_owned();
    CreateOrderRequest {
        user_id,
        items: items.iter().map(item).collect(),
        idempotency_key,
    }
}

/// Asks to pay an order through the mock.
pub fn pay_order(no: &str) -> PayOrderRequest {
    PayOrderRequest {
        order_no: no.to_owned(),
        payment_method: "mock".to_owned(),
    }
}

/// Asks the payment service itself to charge for an order.
pub fn pay(order_id: u64, amount: i64) -> PayRequest {
    PayRequest {
        order_id,
        amount,
        payment_method: "mock".to_owned(),
    }
}

/// Asks to cancel an order.
pub fn cancel(no: &str) -> CancelOrderRequest {
    CancelOrderRequest {
        order_no: no.to_owned(),
        reason: "changed my mind".to_owned(),
    }
}

impl Clients {
    /// Publishes a book.
    ///
    /// # Errors
    /// Where that fails.
    pub async fn publish(&self, title: &str, price: i64) -> anyhow::Result<u64> {
        Ok(self.done(book(0, title, price)).await?.book_id)
    }

    /// Publishes a book and puts copies on the shelf.
    ///
    /// # Errors
    /// Where one of both fails.
    pub async fn stocked(&self, price: i64, quantity: i32) -> anyhow::Result<u64> {
        let book_id = self.publish("货架上的书", price).await?;
        let idempotency_key = format!("first-{book_id}");
        self.done(RestockInventoryRequest {
            book_id,
            quantity,
            idempotency_key,
        })
        .await?;
        Ok(book_id)
    }

    /// Makes an order without a key.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn place(&self, user_id: u64, items: &[(u64, i32)]) -> anyhow::Result<Placed> {
        let reply = self.done(order(user_id, items, "")).await?;
        Ok(Placed {
            no: reply.order_no,
            id: reply.order_id,
            total: reply.total,
        })
    }

    /// Makes an order for one copy of a new book at 1,000 fen, of which there are 10.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn placed(&self) -> anyhow::Result<Placed> {
        let book_id = self.stocked(1000, 10).await?;
        self.place(1, &[(book_id, 1)]).await
    }

    /// Pays an order, again and again until the mock is willing.
    ///
    /// # Errors
    /// Any answer but paid and refused.
    pub async fn pay_until_accepted(&self, no: &str) -> anyhow::Result<PayOrderResponse> {
        for _ in 0..TRIES {
            let reply = self.call(pay_order(no)).await?;
            match reply.code {
                0 => return Ok(reply),
                1 => {}
                _ => bail!("PayOrder answered {reply:?}"),
            }
        }
        bail!("the mock refused {TRIES} times: is success_rate 0?");
    }

    /// Pays at the payment service, again and again until the mock is willing.
    ///
    /// # Errors
    /// Any answer but paid and refused.
    pub async fn charge_until_accepted(
        &self,
        order_id: u64,
        amount: i64,
    ) -> anyhow::Result<PayResponse> {
        for _ in 0..TRIES {
            let reply = self.call(pay(order_id, amount)).await?;
            match reply.code {
                0 => return Ok(reply),
                1 => {}
                _ => bail!("Pay answered {reply:?}"),
            }
        }
        bail!("the mock refused {TRIES} times: is success_rate 0?");
    }

    /// An order that is paid.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn paid(&self) -> anyhow::Result<Placed> {
        let placed = self.placed().await?;
        self.pay_until_accepted(&placed.no).await?;
        Ok(placed)
    }

    /// An order that is on its way.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn shipped(&self) -> anyhow::Result<Placed> {
        let placed = self.paid().await?;
        self.done(ShipOrderRequest {
            order_no: placed.no.clone(),
        })
        .await?;
        Ok(placed)
    }

    /// An order that was called off before it was paid.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn cancelled(&self) -> anyhow::Result<Placed> {
        let placed = self.placed().await?;
        self.cancel(&placed.no).await?;
        Ok(placed)
    }

    /// Cancels an order.
    ///
    /// # Errors
    /// Where that is refused.
    pub async fn cancel(&self, no: &str) -> anyhow::Result<CancelOrderResponse> {
        self.done(cancel(no)).await
    }

    /// The order with this number.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn order_of(&self, no: &str) -> anyhow::Result<Order> {
        let reply = self
            .done(GetOrderRequest {
                order_no: no.to_owned(),
            })
            .await?;
        reply.order.context("a reply without its order")
    }

    /// The payment of an order; `None` where nobody ever tried to pay.
    ///
    /// # Errors
    /// A status other than OK.
    pub async fn payment_of(&self, order_id: u64) -> anyhow::Result<Option<Payment>> {
        Ok(self
            .call(GetPaymentStatusRequest { order_id })
            .await?
            .payment)
    }

    /// Copies of a book: free, reserved.
    ///
    /// # Errors
    /// Where it was never stocked.
    pub async fn stock_of(&self, book_id: u64) -> anyhow::Result<(i32, i32)> {
        let stock = self.done(GetStockRequest { book_id }).await?.stock;
        let stock = stock.context("a reply without its stock")?;
        Ok((stock.quantity, stock.reserved))
    }

    /// Waits until an order is in a state.
    pub async fn until_order_is(&self, no: &str, status: i32) -> Order {
        eventually(&format!("order {no} in state {status}"), || async {
            self.order_of(no)
                .await
                .ok()
                .filter(|order| order.status == status)
        })
        .await
    }

    /// Waits until a book has this many copies free and reserved.
    pub async fn until_stock_is(&self, book_id: u64, free: i32, reserved: i32) {
        eventually(
            &format!("book {book_id}: {free} free, {reserved} reserved"),
            || async {
                self.stock_of(book_id)
                    .await
                    .ok()
                    .filter(|stock| *stock == (free, reserved))
            },
        )
        .await;
    }

    /// Waits until nobody holds money for an order: none was ever taken, or it went back.
    pub async fn until_no_money_is_held(&self, order_id: u64) {
        eventually(&format!("no money held for order {order_id}"), || async {
            let payment = self.payment_of(order_id).await.ok()?;
            payment
                .is_none_or(|payment| payment.status != MONEY_TAKEN)
                .then_some(())
        })
        .await;
    }

    /// Waits until the payment of an order is in a state.
    pub async fn until_payment_is(&self, order_id: u64, status: i32) -> Payment {
        eventually(
            &format!("the payment of order {order_id} in state {status}"),
            || async {
                self.payment_of(order_id)
                    .await
                    .ok()
                    .flatten()
                    .filter(|paid| paid.status == status)
            },
        )
        .await
    }
}
