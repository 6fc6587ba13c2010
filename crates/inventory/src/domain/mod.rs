//! The rules of stock: plain functions over plain rows. No I/O, no clock, no async.
//!
//! Start reading at [`Rows::apply`] (`apply.rs`): one operation in, one [`Decision`] out, and the
//! rows changed. [`Stock`] and [`Movement`] (`stock.rs`) hold the arithmetic, [`KeyUse`]
//! (`key_row.rs`) what the service remembers of an idempotency key.

mod apply;
mod basket;
mod command;
mod entry;
mod key_row;
mod reference;
mod rows;
mod stock;
#[cfg(test)]
mod tests;

pub use basket::{BASKET_ITEMS_MAX, Basket, BasketError, Line};
pub use command::{
    Answer, BatchDeduct, Command, Decision, Deduct, Keyed, Op, Refusal, Release, Restock,
};
pub use entry::Entry;
pub use key_row::{FirstAnswer, HeldLine, Hold, HoldState, KeyRow, KeyUse, Method};
pub use reference::Reference;
pub use rows::{Change, Changes, Rows};
pub use stock::{Movement, Stock};
