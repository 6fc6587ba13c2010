//! The table `orders`.

use std::collections::{BTreeSet, HashSet};

use platform::args;
use platform::db::{DbError, Insert, Lookup, Matches, Row, Tx, Update, Value};
use types::{
    Fen, Fingerprint, IdempotencyKey, OrderId, OrderNo, OrderStatus, Page, PaymentNo, UnixMillis,
    UserId,
};

use super::items::read_item;
use crate::domain::{
    CancelCause, Change, Order, OrderDetail, PaymentRef, RequestKey, Rows, Stage, Touched,
};
use crate::store::{DueOrder, OrderFilter};

macro_rules! columns_after_id {
    () => {
        "order_no, user_id, total, status, created_at, updated_at, expire_at, request_key, \
         fingerprint, payment_no, third_party_no, refunded, cancel_cause, cancel_reason"
    };
}

macro_rules! columns {
    () => {
        concat!("id, ", columns_after_id!())
    };
}

/// How many columns `columns!` names.
const COLUMNS: usize = 15;

const INSERT: Insert = Insert {
    table: "orders",
    columns: columns!(),
};

const SELECT_BY_IDS: &str = concat!("SELECT ", columns!(), " FROM orders WHERE id IN");

/// One statement, so that an order and its items are consistent without a transaction.
const SELECT_WITH_ITEMS: &str = concat!(
    "SELECT o.id, ",
    columns_after_id!(),
    ", book_id, book_title, quantity, price \
     FROM orders o LEFT JOIN order_items i ON i.order_id = o.id WHERE o.id IN"
);

const SELECT_BY_REQUESTS: &str =
    concat!("SELECT ", columns!(), " FROM orders WHERE request_key IN");

const SELECT_AFTER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM orders WHERE id > ? ORDER BY id LIMIT ?"
);

/// The compare-and-set of a transition that changes neither payment, refund nor cancellation. It
/// leaves their columns alone: where the row is remembered and not read, others may have written them.
const MOVE: Update = Update {
    table: "orders",
    set: &["status", "updated_at", "expire_at"],
    key: "id",
    guards: &["status"],
};

/// The compare-and-set of every other transition.
const UPDATE: Update = Update {
    table: "orders",
    set: &[
        "status",
        "updated_at",
        "expire_at",
        "payment_no",
        "third_party_no",
        "refunded",
        "cancel_cause",
        "cancel_reason",
    ],
    key: "id",
    guards: &["status"],
};

/// Separate from `UPDATE`, so that an ordinary transition leaves the index of keys alone.
const FREE_REQUEST: &str = "UPDATE orders SET request_key = NULL, fingerprint = NULL WHERE id = ?";

const DELETE: &str = "DELETE FROM orders WHERE id = ? AND status = ?";

const SELECT_DUE: &str = "SELECT expire_at, id FROM orders \
    WHERE status = ? AND expire_at <= ? AND expire_at >= ? AND (expire_at > ? OR id > ?) \
    ORDER BY expire_at, id LIMIT ?";

const SELECT_IDS_BETWEEN: &str = "SELECT id FROM orders WHERE id BETWEEN ? AND ?";

const COUNT_OVERDUE: &str = "SELECT status, COUNT(*) FROM orders \
    WHERE status IN (0, 1) AND expire_at < ? GROUP BY status";

/// Adds the ids of the orders that the touched keys made. They are not locked here but with all the
/// others, in id order.
pub(super) async fn find_ids_of_requests(
    tx: &mut Tx,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let keys = touched
        .requests
        .iter()
        .map(|(user_id, key)| request_key(*user_id, key))
        .collect();
    for row in tx
        .query_in("SELECT id FROM orders WHERE request_key IN", keys, "")
        .await?
    {
        touched.orders.insert(read_id(&row, 0)?);
    }
    Ok(())
}

pub(super) fn locking(touched: &Touched) -> Lookup<'static> {
    Lookup {
        before: SELECT_BY_IDS,
        list: touched.orders.iter().map(|id| Value::from(*id)).collect(),
        after: "ORDER BY id",
        locks: true,
    }
}

pub(super) fn load(found: &[Row], rows: &mut Rows) -> Result<(), DbError> {
    for row in found {
        rows.load_order(read_order(row)?);
    }
    Ok(())
}

/// Deletes and updates come first: they free the keys that an insert of the same batch may take.
pub(super) async fn save(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    let (mut inserts, mut frees, mut deletes) = (vec![], vec![], vec![]);
    let (mut moves, mut updates) = (vec![], vec![]);
    for change in rows.order_changes() {
        match change {
            Change::Insert(_, order) => inserts.push(insert_args(order)),
            Change::Update { key, before, after } => {
                if has_same_money(before, after) {
                    moves.push(move_args(before, after));
                } else {
                    updates.push(update_args(before, after));
                }
                if before.request.is_some() && after.request.is_none() {
                    frees.push(args![*key]);
                }
            }
            Change::Delete(id) => deletes.push(args![*id, Stage::Creating.number()]),
        }
    }
    let orders = Matches::OneEach("orders");
    tx.execute_each(DELETE, deletes, orders).await?;
    tx.update_rows(&MOVE, moves).await?;
    tx.update_rows(&UPDATE, updates).await?;
    tx.execute_each(FREE_REQUEST, frees, orders).await?;
    tx.insert_rows(&INSERT, inserts).await
}

/// Reads orders with their items; by the ids in their numbers, which spares the server a secondary index lookup.
pub(super) async fn find_by_numbers(
    tx: &mut Tx,
    numbers: &[OrderNo],
) -> Result<Vec<OrderDetail>, DbError> {
    let ids = numbers.iter().filter_map(OrderNo::serial);
    let ids = ids.filter_map(|id| i64::try_from(id).ok()).map(Value::Int);
    let tail = "ORDER BY o.id, i.id";
    let mut found: Vec<OrderDetail> = Vec::new();
    for row in tx.query_in(SELECT_WITH_ITEMS, ids.collect(), tail).await? {
        let id = read_id(&row, 0)?;
        if found.last().is_none_or(|last| last.order.id != id) {
            found.push(OrderDetail {
                order: read_order(&row)?,
                items: Vec::new(),
            });
        }
        if let (Some(last), Some(_)) = (found.last_mut(), row.opt_int(COLUMNS)?) {
            last.items.push(read_item(&row, COLUMNS)?);
        }
    }
    let asked: HashSet<_> = numbers.iter().collect();
    found.retain(|detail| asked.contains(&detail.order.order_no));
    Ok(found)
}

pub(super) async fn find_by_requests(
    tx: &mut Tx,
    requests: &[(UserId, IdempotencyKey)],
) -> Result<Vec<Order>, DbError> {
    let keys = requests
        .iter()
        .map(|(user_id, key)| request_key(*user_id, key))
        .collect();
    let rows = tx.query_in(SELECT_BY_REQUESTS, keys, "").await?;
    rows.iter().map(read_order).collect()
}

pub(super) async fn count_listed(tx: &mut Tx, filter: OrderFilter) -> Result<u64, DbError> {
    let (condition, args) = listed(filter);
    let sql = format!("SELECT COUNT(*) FROM orders WHERE {condition}");
    let rows = tx.query(&sql, args).await?;
    rows.first().map_or(Ok(0), |row| read_count(row, 0))
}

pub(super) async fn list(
    tx: &mut Tx,
    filter: OrderFilter,
    page: Page,
) -> Result<Vec<Order>, DbError> {
    const SELECT: &str = concat!("SELECT ", columns!(), " FROM orders WHERE");
    let (condition, mut args) = listed(filter);
    let sql = format!("{SELECT} {condition} ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?");
    let offset = i64::try_from(page.offset()).unwrap_or(i64::MAX);
    args.extend(args![page.size(), offset]);
    tx.query(&sql, args).await?.iter().map(read_order).collect()
}

/// The condition of a list; hidden stages are left out. `NOT IN` on purpose: it gives no planner a
/// reason to walk the index of deadlines and sort.
fn listed(filter: OrderFilter) -> (&'static str, Vec<Value>) {
    let status = filter.status.map(OrderStatus::number);
    match (filter.user_id, status) {
        (None, None) => ("status NOT IN (0, 6)", args![]),
        (None, Some(status)) => ("status = ?", args![status]),
        (Some(user), None) => ("user_id = ? AND status NOT IN (0, 6)", args![user]),
        (Some(user), Some(status)) => ("user_id = ? AND status = ?", args![user, status]),
    }
}

pub(super) async fn list_due(
    tx: &mut Tx,
    stage: Stage,
    until: UnixMillis,
    after: Option<DueOrder>,
    limit: u32,
) -> Result<Vec<DueOrder>, DbError> {
    let (time, id) = after.map_or((UnixMillis::new(0), 0), |due| (due.due_at, due.id.as_i64()));
    let args = args![stage.number(), until, time, time, id, limit];
    let rows = tx.query(SELECT_DUE, args).await?;
    rows.iter()
        .map(|row| {
            Ok(DueOrder {
                due_at: row.time(0)?,
                id: read_id(row, 1)?,
            })
        })
        .collect()
}

/// The ids from `first` to `last` that have a row.
pub(super) async fn ids_between(
    tx: &mut Tx,
    first: OrderId,
    last: OrderId,
) -> Result<BTreeSet<OrderId>, DbError> {
    let rows = tx.query(SELECT_IDS_BETWEEN, args![first, last]).await?;
    rows.iter().map(|row| read_id(row, 0)).collect()
}

/// How many are overdue: (CREATING, PENDING).
pub(super) async fn count_overdue(tx: &mut Tx, now: UnixMillis) -> Result<(u64, u64), DbError> {
    let (mut creating, mut pending) = (0, 0);
    for row in tx.query(COUNT_OVERDUE, args![now]).await? {
        let count = read_count(&row, 1)?;
        if row.int(0)? == 0 {
            creating = count;
        } else {
            pending = count;
        }
    }
    Ok((creating, pending))
}

/// Orders of every stage by ascending id, those after `after`.
pub(crate) async fn read_orders_after(
    tx: &mut Tx,
    after: i64,
    limit: u32,
) -> Result<Vec<Order>, DbError> {
    tx.query(SELECT_AFTER, args![after, limit])
        .await?
        .iter()
        .map(read_order)
        .collect()
}

fn request_key(user_id: UserId, key: &IdempotencyKey) -> Value {
    let mut bytes = user_id.get().to_be_bytes().to_vec();
    bytes.extend_from_slice(key.as_str().as_bytes());
    Value::Bytes(bytes)
}

fn insert_args(order: &Order) -> Vec<Value> {
    let request = order.request.as_ref();
    let cancelled = order.cancelled.as_ref();
    args![
        order.id,
        &order.order_no,
        order.user_id,
        order.total,
        order.stage.number(),
        order.created_at,
        order.updated_at,
        order.expire_at,
        request.map_or(Value::Null, |request| request_key(
            order.user_id,
            &request.key
        )),
        request.map(|request| request.fingerprint),
        order.payment.as_ref().map(|payment| &payment.payment_no),
        order
            .payment
            .as_ref()
            .and_then(|payment| payment.third_party_no.clone()),
        order.refunded,
        cancelled.map_or(0, CancelCause::number),
        cancelled.map_or("", CancelCause::words),
    ]
}

/// Whether everything that [`UPDATE`] writes and [`MOVE`] does not is unchanged.
fn has_same_money(before: &Order, after: &Order) -> bool {
    before.payment == after.payment
        && before.refunded == after.refunded
        && before.cancelled == after.cancelled
}

fn move_args(before: &Order, after: &Order) -> Vec<Value> {
    args![
        after.stage.number(),
        after.updated_at,
        after.expire_at,
        after.id,
        before.stage.number(),
    ]
}

fn update_args(before: &Order, after: &Order) -> Vec<Value> {
    let cancelled = after.cancelled.as_ref();
    args![
        after.stage.number(),
        after.updated_at,
        after.expire_at,
        after.payment.as_ref().map(|payment| &payment.payment_no),
        after
            .payment
            .as_ref()
            .and_then(|payment| payment.third_party_no.clone()),
        after.refunded,
        cancelled.map_or(0, CancelCause::number),
        cancelled.map_or("", CancelCause::words),
        after.id,
        before.stage.number(),
    ]
}

fn read_order(row: &Row) -> Result<Order, DbError> {
    Ok(Order {
        id: read_id(row, 0)?,
        order_no: read_number(row, 1)?,
        user_id: UserId::from_i64(row.int(2)?).ok_or_else(|| DbError::corrupt("orders.user_id"))?,
        total: Fen::stored(row.int(3)?),
        stage: Stage::from_number(row.int(4)?).ok_or_else(|| DbError::corrupt("orders.status"))?,
        created_at: row.time(5)?,
        updated_at: row.time(6)?,
        expire_at: row.time(7)?,
        request: read_request(row.opt_bytes(8)?, row.opt_bytes(9)?)?,
        payment: read_payment(row.opt_text(10)?, row.opt_text(11)?)?,
        refunded: row.flag(12)?,
        cancelled: read_cancel(row.int(13)?, row.text(14)?)?,
    })
}

pub(super) fn read_id(row: &Row, column: usize) -> Result<OrderId, DbError> {
    OrderId::from_i64(row.int(column)?).ok_or_else(|| DbError::corrupt("an order's id"))
}

pub(super) fn read_count(row: &Row, column: usize) -> Result<u64, DbError> {
    u64::try_from(row.int(column)?).map_err(|_| DbError::corrupt("a count"))
}

fn read_number(row: &Row, column: usize) -> Result<OrderNo, DbError> {
    OrderNo::parse(&row.text(column)?).ok_or_else(|| DbError::corrupt("orders.order_no"))
}

fn read_request(
    key: Option<Vec<u8>>,
    fingerprint: Option<Vec<u8>>,
) -> Result<Option<RequestKey>, DbError> {
    let (Some(key), Some(fingerprint)) = (key, fingerprint) else {
        return Ok(None);
    };
    let text = key.get(8..).and_then(|bytes| str::from_utf8(bytes).ok());
    let key = text.and_then(IdempotencyKey::new);
    let fingerprint = Fingerprint::from_bytes(&fingerprint);
    match (key, fingerprint) {
        (Some(key), Some(fingerprint)) => Ok(Some(RequestKey { key, fingerprint })),
        _ => Err(DbError::corrupt("orders.request_key")),
    }
}

fn read_payment(
    payment_no: Option<String>,
    third_party_no: Option<String>,
) -> Result<Option<PaymentRef>, DbError> {
    let Some(text) = payment_no else {
        return Ok(None);
    };
    let payment_no =
        PaymentNo::parse(&text).ok_or_else(|| DbError::corrupt("orders.payment_no"))?;
    Ok(Some(PaymentRef {
        payment_no,
        third_party_no,
    }))
}

fn read_cancel(cause: i64, words: String) -> Result<Option<CancelCause>, DbError> {
    if cause == 0 {
        return Ok(None);
    }
    let cause = CancelCause::from_parts(cause, words);
    cause
        .map(Some)
        .ok_or_else(|| DbError::corrupt("orders.cancel_cause"))
}
