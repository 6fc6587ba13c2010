//! Proves each method as its callers meet it: its success, its refusals, what it calls a bad
//! request, and what a repeat hears. (Refusals of inventory and payment: `saga/steps.rs`, `pay.rs`.)

mod create;
mod others;

use api::order::v1::*;
use types::ID_MAX;

use crate::shop::{Shop, assert_bad, create_request, in_english};
