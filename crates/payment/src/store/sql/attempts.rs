//! Table `payment_attempts`: one row per attempt to charge.

use platform::args;
use platform::db::{DbError, Insert, Tx, Update, Value};

use super::unsigned;
use crate::domain::{Attempt, AttemptState, Change};

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

/// Writes attempts.
pub(super) async fn write(
    tx: &mut Tx,
    changes: impl Iterator<Item = Change<Attempt>>,
) -> Result<(), DbError> {
    let (mut inserts, mut updates) = (Vec::new(), Vec::new());
    for Change { before, now } in changes {
        match before {
            None => inserts.push(insert(&now)),
            Some(before) => updates.push(update(&now, before.state)),
        }
    }
    tx.insert_rows(&INSERT, inserts).await?;
    tx.update_rows(&UPDATE, updates).await
}

fn insert(attempt: &Attempt) -> Vec<Value> {
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
}

fn update(attempt: &Attempt, before: AttemptState) -> Vec<Value> {
    args![
        attempt.state.number(),
        attempt.next_check_at,
        attempt.updated_at,
        &attempt.payment_no,
        before.number(),
    ]
}

/// How many attempts wait for the gateway's word.
pub(super) async fn count_open(tx: &mut Tx) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) FROM payment_attempts WHERE next_check_at IS NOT NULL";
    match tx.query(sql, args![]).await?.first() {
        Some(row) => unsigned(row.int(0)?, "count of open attempts"),
        None => Ok(0),
    }
}
