//! The rules of orders: plain functions over plain data.
//!
//! No I/O, no clock, no async: what an operation does is decided by [`Rows::apply`] from the rows
//! it touches and the time it carries. Every store runs exactly these rules; stores differ only in
//! where the rows are kept.
//!
//! Read in this order: [`Stage`] (the state machine), [`Order`], [`Intent`], [`Op`] (every
//! operation), then `apply/` (what each of them does).

mod apply;
mod basket;
mod intent;
mod op;
mod order;
mod outcome;
mod rows;
mod status;
mod table;
mod task;

pub use basket::{Basket, ITEMS_MAX, Line, PricedBasket, Pricing, QUANTITY_MAX, Quote};
pub use intent::Intent;
pub use op::{
    AbandonedBy, Birth, FeedEvent, IntentStep, LeaseStep, NewOrder, Op, Receipt, Stamp, TaskStep,
};
pub use order::{CancelCause, Item, Order, OrderDetail, PaymentRef, RequestKey};
pub use outcome::{Followed, Inserted, Moved, Outcome, Verdict};
pub use rows::{HistoryRow, Lease, Rows, Touched};
pub use status::{MOVES, Stage, is_legal};
pub use table::{Change, Table};
pub use task::{REFUSALS_MAX, Task, TaskKey, TaskKind, retry_wait};
