use std::ops::Range;

use platform::db::{DbError, Tx};

/// Moves the counter of order ids on.
pub(super) async fn reserve(tx: &mut Tx, count: u64) -> Result<Range<u64>, DbError> {
    platform::ids::reserve(tx, "orders", count).await
}
