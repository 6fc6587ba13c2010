//! The table `order_tasks`.

use platform::args;
use platform::db::{DbError, Insert, Lookup, Matches, Row, Tx, Value};
use types::{OrderNo, UnixMillis};

use super::orders::{read_count, read_id};
use crate::domain::{Change, Rows, Task, TaskKey, TaskKind, Touched};

macro_rules! columns {
    () => {
        "order_id, kind, order_no, attempts, refusals, due_at, parked, last_error, created_at"
    };
}

const INSERT: Insert = Insert {
    table: "order_tasks",
    columns: columns!(),
};

const SELECT_BY_ORDERS: &str =
    concat!("SELECT ", columns!(), " FROM order_tasks WHERE order_id IN");

const SELECT_DUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM order_tasks WHERE parked = 0 AND due_at <= ?"
);

const SELECT_PARKED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM order_tasks WHERE parked = 1 ORDER BY order_id, kind LIMIT ?"
);

const UPDATE: &str = "UPDATE order_tasks \
    SET attempts = ?, refusals = ?, due_at = ?, parked = ?, last_error = ? \
    WHERE order_id = ? AND kind = ? AND due_at = ?";

const DELETE: &str = "DELETE FROM order_tasks WHERE order_id = ? AND kind = ?";

const COUNT: &str = "SELECT parked, COUNT(*) FROM order_tasks GROUP BY parked";

pub(super) fn locking(touched: &Touched) -> Lookup<'static> {
    Lookup {
        before: SELECT_BY_ORDERS,
        list: touched.tasks_of.iter().map(|id| Value::from(*id)).collect(),
        after: "ORDER BY order_id, kind",
        locks: true,
    }
}

pub(super) fn load(found: &[Row], rows: &mut Rows) -> Result<(), DbError> {
    for row in found {
        rows.load_task(read(row)?);
    }
    Ok(())
}

pub(super) async fn save(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    let (mut inserts, mut updates, mut deletes) = (vec![], vec![], vec![]);
    for change in rows.task_changes() {
        match change {
            Change::Insert(_, task) => inserts.push(insert_args(task)),
            Change::Update { before, after, .. } => updates.push(update_args(before, after)),
            Change::Delete(key) => deletes.push(args![key.order_id, key.kind.number()]),
        }
    }
    let tasks = Matches::OneEach("order_tasks");
    tx.execute_each(DELETE, deletes, tasks).await?;
    tx.execute_each(UPDATE, updates, tasks).await?;
    tx.insert_rows(&INSERT, inserts).await
}

pub(crate) async fn list_due(
    tx: &mut Tx,
    kinds: &[TaskKind],
    now: UnixMillis,
    limit: u32,
) -> Result<Vec<Task>, DbError> {
    let marks = vec!["?"; kinds.len()].join(", ");
    let sql = format!("{SELECT_DUE} AND kind IN ({marks}) ORDER BY due_at, order_id, kind LIMIT ?");
    let mut args = args![now];
    args.extend(kinds.iter().map(|kind| Value::from(kind.number())));
    args.extend(args![limit]);
    tx.query(&sql, args).await?.iter().map(read).collect()
}

pub(crate) async fn list_parked(tx: &mut Tx, limit: u32) -> Result<Vec<Task>, DbError> {
    tx.query(SELECT_PARKED, args![limit])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// How many tasks there are: (outstanding, parked).
pub(super) async fn count(tx: &mut Tx) -> Result<(u64, u64), DbError> {
    let (mut outstanding, mut parked) = (0, 0);
    for row in tx.query(COUNT, args![]).await? {
        let count = read_count(&row, 1)?;
        if row.flag(0)? {
            parked = count;
        } else {
            outstanding = count;
        }
    }
    Ok((outstanding, parked))
}

fn insert_args(task: &Task) -> Vec<Value> {
    args![
        task.key.order_id,
        task.key.kind.number(),
        task.order_no.as_ref(),
        task.attempts,
        task.refusals,
        task.due_at,
        task.parked,
        task.last_error.as_deref(),
        task.created_at,
    ]
}

fn update_args(before: &Task, after: &Task) -> Vec<Value> {
    args![
        after.attempts,
        after.refusals,
        after.due_at,
        after.parked,
        after.last_error.as_deref(),
        after.key.order_id,
        after.key.kind.number(),
        before.due_at,
    ]
}

fn read(row: &Row) -> Result<Task, DbError> {
    let corrupt = |what: &str| DbError::corrupt(format!("order_tasks.{what}"));
    let count = |column, what| u32::try_from(row.int(column)?).map_err(|_| corrupt(what));
    let kind = TaskKind::from_number(row.int(1)?).ok_or_else(|| corrupt("kind"))?;
    let order_no = row.opt_text(2)?;
    let order_no = order_no.map(|no| OrderNo::parse(&no).ok_or_else(|| corrupt("order_no")));
    Ok(Task {
        key: TaskKey {
            order_id: read_id(row, 0)?,
            kind,
        },
        order_no: order_no.transpose()?,
        attempts: count(3, "attempts")?,
        refusals: count(4, "refusals")?,
        due_at: row.time(5)?,
        parked: row.flag(6)?,
        last_error: row.opt_text(7)?,
        created_at: row.time(8)?,
    })
}
