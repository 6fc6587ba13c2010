//! Payments with their last attempts: what the rules work on.

use std::collections::BTreeSet;

use platform::args;
use platform::db::{DbError, Lookup, Row, Tx};
use types::{Fen, OrderId, PaymentNo, PaymentStatus, UnixMillis};

use super::unsigned;
use crate::domain::{Attempt, AttemptState, Method, Payment, Record, ThirdPartyNo};

macro_rules! select {
    () => {
        "SELECT p.id, p.payment_no, p.order_id, p.amount, p.status, p.payment_method, \
         p.third_party_no, p.created_at, p.updated_at, \
         a.state, a.next_check_at, a.created_at, a.updated_at \
         FROM payments p JOIN payment_attempts a ON a.payment_no = p.payment_no"
    };
}

const SELECT_BY_ORDERS: &str = concat!(select!(), " WHERE p.order_id IN");
const SELECT_DUE: &str = concat!(
    select!(),
    " WHERE a.next_check_at <= ? ORDER BY a.next_check_at, a.order_id LIMIT ?"
);

/// Looks up the records of `orders` and locks them until the transaction ends.
pub(super) fn locking(orders: &BTreeSet<OrderId>) -> Lookup<'static> {
    Lookup {
        before: SELECT_BY_ORDERS,
        list: orders.iter().map(|id| (*id).into()).collect(),
        after: "ORDER BY p.order_id",
        locks: true,
    }
}

/// Reads what a lookup by orders found.
pub(super) fn read_all(found: &[Row]) -> Result<Vec<Record>, DbError> {
    found.iter().map(read).collect()
}

pub(super) async fn find(tx: &mut Tx, orders: &[OrderId]) -> Result<Vec<Record>, DbError> {
    let orders = orders.iter().map(|id| (*id).into()).collect();
    read_all(&tx.query_in(SELECT_BY_ORDERS, orders, "").await?)
}

pub(super) async fn list_due(
    tx: &mut Tx,
    now: UnixMillis,
    limit: u32,
) -> Result<Vec<Record>, DbError> {
    tx.query(SELECT_DUE, args![now, limit])
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &Row) -> Result<Record, DbError> {
    let payment = read_payment(row)?;
    let attempt = Attempt {
        payment_no: payment.payment_no.clone(),
        order_id: payment.order_id,
        amount: payment.amount,
        method: payment.method.clone(),
        state: AttemptState::from_number(row.int(9)?)
            .ok_or_else(|| DbError::corrupt("payment_attempts.state"))?,
        next_check_at: row.opt_time(10)?,
        created_at: row.time(11)?,
        updated_at: row.time(12)?,
    };
    Ok(Record { payment, attempt })
}

fn read_payment(row: &Row) -> Result<Payment, DbError> {
    let third_party_no = row.opt_text(6)?.map(|text| {
        ThirdPartyNo::parse(&text).ok_or_else(|| DbError::corrupt("payments.third_party_no"))
    });
    Ok(Payment {
        id: unsigned(row.int(0)?, "payments.id")?,
        payment_no: PaymentNo::parse(&row.text(1)?)
            .ok_or_else(|| DbError::corrupt("payments.payment_no"))?,
        order_id: OrderId::from_i64(row.int(2)?)
            .ok_or_else(|| DbError::corrupt("payments.order_id"))?,
        amount: Fen::amount(row.int(3)?).ok_or_else(|| DbError::corrupt("payments.amount"))?,
        status: PaymentStatus::from_number(row.int(4)?)
            .ok_or_else(|| DbError::corrupt("payments.status"))?,
        method: Method::parse(&row.text(5)?)
            .ok_or_else(|| DbError::corrupt("payments.payment_method"))?,
        third_party_no: third_party_no.transpose()?,
        created_at: row.time(7)?,
        updated_at: row.time(8)?,
    })
}
