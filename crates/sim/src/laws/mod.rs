//! The laws, looked at after every commit of inventory, order and payment, and once more when all has
//! come to rest.
//!
//! What must hold at every moment is in `stock.rs`, `orders.rs` and `payments.rs`: each looks at what
//! one transaction changed. What must hold once faults have stopped and everything has had its time
//! is in `settled.rs`; what people were told is in `promised.rs`. What an answer by itself may not be
//! is judged in `people/`, what the gateway is asked for in `gateway.rs`.

mod orders;
mod payments;
mod promised;
mod settled;
mod stock;

pub(crate) use orders::after_orders_moved;
pub(crate) use payments::after_payments_moved;
pub(crate) use settled::{judge, unrest};
pub(crate) use stock::after_stock_moved;

/// What the laws remember of the rows as they were after the last transaction.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) stock: stock::StockWatch,
    pub(crate) orders: orders::OrderWatch,
    pub(crate) payments: payments::PaymentWatch,
}
