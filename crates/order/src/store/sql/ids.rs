use std::ops::Range;

use platform::db::{DbError, Tx};

/// Reserves `count` order ids from their counter.
pub(super) async fn reserve(tx: &mut Tx, count: u64) -> Result<Range<u64>, DbError> {
    platform::ids::reserve(tx, "orders", count).await
}
