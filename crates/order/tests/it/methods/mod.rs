//! Proves each method as its callers meet it: its success, each code it can answer, in both
//! languages, what it calls a bad request, and what a repeat hears.

mod create;
mod others;

use api::order::v1::*;
use types::ID_MAX;

use crate::shop::{Shop, assert_bad, create_request, in_english};
