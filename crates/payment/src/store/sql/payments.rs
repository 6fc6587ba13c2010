//! Table `payments`: one row an order.

use platform::args;
use platform::db::{DbError, Insert, Tx, Update, Value};

use types::PaymentStatus;

use crate::domain::{Payment, ThirdPartyNo};

const INSERT: Insert = Insert {
    table: "payments",
    columns: "id, payment_no, order_id, amount, status, payment_method, third_party_no, \
        created_at, updated_at",
};

/// Another attempt: a compare-and-set, as two replicas may open one.
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

/// How the attempt ended. The attempt's own row is compared; this one goes along.
const SETTLE: Update = Update {
    table: "payments",
    set: &["status", "third_party_no", "updated_at"],
    key: "order_id",
    guards: &[],
};

/// Inserts payments of orders that had none.
pub(super) async fn insert(tx: &mut Tx, payments: Vec<Payment>) -> Result<(), DbError> {
    let rows = payments.iter().map(|payment| {
        args![
            id(payment),
            &payment.payment_no,
            payment.order_id,
            payment.amount,
            payment.status.number(),
            payment.method.as_str(),
            third_party_no(payment),
            payment.created_at,
            payment.updated_at,
        ]
    });
    tx.insert_rows(&INSERT, rows.collect()).await
}

/// Writes payments that tell of another attempt now, each over the status that it had.
pub(super) async fn renew(
    tx: &mut Tx,
    payments: Vec<(PaymentStatus, Payment)>,
) -> Result<(), DbError> {
    let each = payments.iter().map(|(before, payment)| {
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
    });
    tx.update_rows(&RENEW, each.collect()).await
}

/// Writes payments whose attempt has ended.
pub(super) async fn settle(tx: &mut Tx, payments: Vec<Payment>) -> Result<(), DbError> {
    let each = payments.iter().map(|payment| {
        args![
            payment.status.number(),
            third_party_no(payment),
            payment.updated_at,
            payment.order_id,
        ]
    });
    tx.update_rows(&SETTLE, each.collect()).await
}

fn third_party_no(payment: &Payment) -> Option<&str> {
    payment.third_party_no.as_ref().map(ThirdPartyNo::as_str)
}

fn id(payment: &Payment) -> Value {
    Value::Int(payment.id.cast_signed())
}
