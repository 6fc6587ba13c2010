//! Table `payment_attempts`: one row a try to charge.

use platform::args;
use platform::db::{DbError, Insert, Tx, Update};

use super::unsigned;
use crate::domain::{Attempt, AttemptState};

const INSERT: Insert = Insert {
    table: "payment_attempts",
    columns: "payment_no, order_id, amount, payment_method, state, next_check_at, created_at, \
        updated_at",
};

/// The compare-and-set of an attempt.
const UPDATE: Update = Update {
    table: "payment_attempts",
    set: &["state", "next_check_at", "updated_at"],
    key: "payment_no",
    guards: &["state"],
};

/// Inserts attempts that began.
pub(super) async fn insert(
    tx: &mut Tx,
    attempts: impl Iterator<Item = Attempt>,
) -> Result<(), DbError> {
    let rows = attempts.map(|attempt| {
        args![
            &attempt.payment_no,
            attempt.order_id,
            attempt.amount,
            attempt.method.as_str(),
            attempt.state.number(),
            attempt.next_check_at,
            attempt.created_at,
            attempt.updated_at,
        ]
    });
    tx.insert_rows(&INSERT, rows.collect()).await
}

/// Writes how far attempts have come, each from the state that it was in.
pub(super) async fn update(
    tx: &mut Tx,
    attempts: impl Iterator<Item = (AttemptState, Attempt)>,
) -> Result<(), DbError> {
    let each = attempts.map(|(before, attempt)| {
        args![
            attempt.state.number(),
            attempt.next_check_at,
            attempt.updated_at,
            &attempt.payment_no,
            before.number(),
        ]
    });
    tx.update_rows(&UPDATE, each.collect()).await
}

/// How many attempts wait for the gateway's word.
pub(super) async fn count_open(tx: &mut Tx) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) FROM payment_attempts WHERE next_check_at IS NOT NULL";
    match tx.query(sql, args![]).await?.first() {
        Some(row) => unsigned(row.int(0)?, "count of open attempts"),
        None => Ok(0),
    }
}
