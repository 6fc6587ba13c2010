//! Table `payments`: one row per order.

use platform::args;
use platform::db::{DbError, Insert, Tx, Update, Value};
use types::PaymentStatus;

use crate::domain::{Change, Payment, ThirdPartyNo};

const INSERT: Insert = Insert {
    table: "payments",
    columns: "id, payment_no, order_id, amount, status, payment_method, third_party_no, \
        created_at, updated_at",
};

/// Opens another attempt: a compare-and-set, as two replicas may try to at once.
const RENEW: Update = Update {
    table: "payments",
    set: &[
        "payment_no",
        "amount",
        "status",
        "payment_method",
        "third_party_no",
        "updated_at",
    ],
    key: "order_id",
    guards: &["status"],
};

/// Records how the attempt ended. The compare-and-set is on the attempt's own row, in the same transaction.
const SETTLE: Update = Update {
    table: "payments",
    set: &["status", "third_party_no", "updated_at"],
    key: "order_id",
    guards: &[],
};

/// Writes payments.
pub(super) async fn write(
    tx: &mut Tx,
    changes: impl Iterator<Item = Change<Payment>>,
) -> Result<(), DbError> {
    let (mut inserts, mut renewals, mut settlements) = (Vec::new(), Vec::new(), Vec::new());
    for Change { before, now } in changes {
        match before {
            None => inserts.push(insert(&now)),
            Some(before) if before.payment_no == now.payment_no => settlements.push(settle(&now)),
            Some(before) => renewals.push(renew(&now, before.status)),
        }
    }
    tx.insert_rows(&INSERT, inserts).await?;
    tx.update_rows(&RENEW, renewals).await?;
    tx.update_rows(&SETTLE, settlements).await
}

fn insert(payment: &Payment) -> Vec<Value> {
    args![
        payment.id.cast_signed(),
        &payment.payment_no,
        payment.order_id,
        payment.amount,
        payment.status.number(),
        payment.method.as_str(),
        third_party_no(payment),
        payment.created_at,
        payment.updated_at,
    ]
}

fn renew(payment: &Payment, before: PaymentStatus) -> Vec<Value> {
    args![
        &payment.payment_no,
        payment.amount,
        payment.status.number(),
        payment.method.as_str(),
        third_party_no(payment),
        payment.updated_at,
        payment.order_id,
        before.number(),
    ]
}

fn settle(payment: &Payment) -> Vec<Value> {
    args![
        payment.status.number(),
        third_party_no(payment),
        payment.updated_at,
        payment.order_id,
    ]
}

fn third_party_no(payment: &Payment) -> Option<&str> {
    payment.third_party_no.as_ref().map(ThirdPartyNo::as_str)
}
