//! The rules of paying and refunding, as plain functions over plain data: no I/O, no clock, no async.
//!
//! Start reading at [`Rows::apply`]: every change of a payment goes through it, in every store.

mod attempt;
mod event;
mod ops;
mod payment;
mod rows;
mod timetable;

pub use attempt::{Attempt, AttemptState};
pub use event::Event;
pub use ops::{
    BeginPay, BeginRefund, ChargeResult, Op, Outcome, PayBegun, RefundBegun, RefundResult,
    Reschedule, Rescheduled, SettleCharge, SettleRefund, Settled,
};
pub use payment::{Method, Payment, Record, ThirdPartyNo};
pub use rows::{Change, Changes, Rows};
pub use timetable::Timetable;
