//! Table `inventory_keys`.

use std::collections::{BTreeMap, BTreeSet};

use platform::args;
use platform::db::{DbError, Insert, Lookup, Row, Tx, Update, Value};
use types::{BookId, Fingerprint, IdempotencyKey};

use super::held_lines;
use super::stocks::book_of;
use crate::audit::RememberedHold;
use crate::domain::{FirstAnswer, HeldLine, Hold, HoldState, KeyRow, KeyUse, Method, Reference};

/// Keys with what they were used for, as they are loaded for a batch.
pub(super) type KeyRows = BTreeMap<IdempotencyKey, KeyRow>;

macro_rules! select {
    () => {
        "SELECT idempotency_key, used_by, fingerprint, reference_id, state, answer_quantity, \
         book_id, open_version, outstanding, settled, created_at, held_lines FROM inventory_keys"
    };
}

const SELECT_BY_KEYS: &str = concat!(select!(), " WHERE idempotency_key IN");
const SELECT_OPEN: &str = concat!(
    select!(),
    " WHERE book_id = ? AND reference_id = ? AND open_version IS NOT NULL \
     ORDER BY open_version LIMIT ?"
);
const INSERT: Insert = Insert {
    table: "inventory_keys",
    columns: "idempotency_key, used_by, fingerprint, reference_id, state, answer_quantity, book_id, \
        open_version, outstanding, settled, held_lines, created_at",
};
const UPDATE: Update = Update {
    table: "inventory_keys",
    set: &["state", "open_version", "outstanding", "settled"],
    key: "idempotency_key",
    guards: &[],
};

/// Looks up and locks `keys`, in ascending order; those never used are left out.
pub(super) fn locking(keys: BTreeSet<&IdempotencyKey>) -> Lookup<'static> {
    Lookup {
        before: SELECT_BY_KEYS,
        list: keys.into_iter().map(Value::from).collect(),
        after: "ORDER BY idempotency_key",
        locks: true,
    }
}

/// Reads what [`locking`] found.
pub(super) fn read_keys(rows: &[Row]) -> Result<KeyRows, DbError> {
    rows.iter().map(key_of).collect()
}

/// Reads and locks the `limit` oldest open holds that `DeductStock` made of `book` for
/// `reference`.
pub(super) async fn lock_open_holds(
    tx: &mut Tx,
    book: BookId,
    reference: Reference,
    limit: i64,
) -> Result<KeyRows, DbError> {
    let sql = format!("{SELECT_OPEN}{}", tx.for_update());
    let rows = tx
        .query(&sql, args![book, reference.as_i64(), limit])
        .await?;
    rows.iter().map(key_of).collect()
}

/// Writes keys that were never used before.
pub(super) async fn insert_keys(
    tx: &mut Tx,
    keys: Vec<(&IdempotencyKey, &KeyRow)>,
) -> Result<(), DbError> {
    tx.insert_rows(
        &INSERT,
        keys.into_iter()
            .map(|(key, row)| insert_args(key, row))
            .collect(),
    )
    .await
}

/// Updates the holds that [`locking`] and [`lock_open_holds`] read.
pub(super) async fn update_holds(
    tx: &mut Tx,
    holds: Vec<(&IdempotencyKey, &Hold)>,
) -> Result<(), DbError> {
    let row = |(key, hold): (&IdempotencyKey, &Hold)| {
        let [_, version, outstanding, settled] = single_columns(hold);
        vec![
            hold.state.name().into(),
            version,
            outstanding,
            settled,
            key.into(),
        ]
    };
    tx.update_rows(&UPDATE, holds.into_iter().map(row).collect())
        .await
}

/// Reads the holds that are marked open: for audits.
pub(super) async fn read_open_holds(
    tx: &mut Tx,
) -> Result<BTreeMap<IdempotencyKey, RememberedHold>, DbError> {
    let select =
        "SELECT idempotency_key, outstanding, held_lines FROM inventory_keys WHERE state = 'held'";
    let hold_of = |row: &Row| {
        let hold = match row.opt_int(1)? {
            Some(outstanding) => RememberedHold::Single(outstanding),
            None => match row.opt_text(2)? {
                Some(text) => {
                    RememberedHold::batch_of(&held_lines::read(&text, HoldState::Held)?.0)
                }
                None => RememberedHold::batch_of(&[]),
            },
        };
        Ok((read_key(row, 0)?, hold))
    };
    tx.query(select, args![])
        .await?
        .iter()
        .map(hold_of)
        .collect()
}

fn insert_args(key: &IdempotencyKey, row: &KeyRow) -> Vec<Value> {
    let mut values = vec![key.into()];
    match &row.used {
        KeyUse::Answered {
            method,
            fingerprint,
            quantity,
        } => {
            values.extend(args![
                name_of(*method),
                *fingerprint,
                Value::Null,
                Value::Null,
                *quantity
            ]);
            values.extend([const { Value::Null }; 5]);
        }
        KeyUse::Hold(hold) => {
            let (used_by, remaining, held_lines) = match &hold.first_answer {
                FirstAnswer::Remaining(quantity) => ("deduct", Some(*quantity), None),
                FirstAnswer::Stocks(stocks) => {
                    ("batch", None, Some(held_lines::render(&hold.lines, stocks)))
                }
            };
            let (reference, state) = (hold.reference.as_i64(), hold.state.name());
            values.extend(args![
                used_by,
                hold.fingerprint,
                reference,
                state,
                remaining
            ]);
            values.extend(single_columns(hold));
            values.push(held_lines.into());
        }
        KeyUse::Fence => {
            values.push("fence".into());
            values.extend([const { Value::Null }; 9]);
        }
    }
    values.push(row.created_at.into());
    values
}

/// `book_id`, `open_version`, `outstanding`, `settled`: those of the one line of a `DeductStock`
/// hold; NULL for a batch, which has `held_lines`.
fn single_columns(hold: &Hold) -> [Value; 4] {
    match hold.lines.first() {
        Some(line) if hold.is_single() => {
            let open = (line.outstanding > 0).then_some(line.version);
            [
                line.book.into(),
                open.into(),
                line.outstanding.into(),
                line.settled.into(),
            ]
        }
        _ => [const { Value::Null }; 4],
    }
}

const fn name_of(method: Method) -> &'static str {
    match method {
        Method::Restock => "restock",
        Method::Release => "release",
    }
}

fn key_of(row: &Row) -> Result<(IdempotencyKey, KeyRow), DbError> {
    let used = match row.text(1)?.as_str() {
        "restock" => answered_of(Method::Restock, row)?,
        "release" => answered_of(Method::Release, row)?,
        "deduct" => {
            let line = HeldLine {
                book: book_of(row, 6)?,
                // The version orders open holds by age, and is stored only while something is outstanding.
                version: row.opt_int(7)?.unwrap_or_default(),
                outstanding: row.int32(8)?,
                settled: row.int32(9)?,
            };
            let answer = FirstAnswer::Remaining(row.int32(5)?);
            KeyUse::Hold(hold_of(row, state_of(row)?, vec![line], answer)?)
        }
        "batch" => {
            let state = state_of(row)?;
            let text = row.opt_text(11)?.ok_or_else(|| {
                DbError::corrupt("a batch without its lines: see docs/operations.md, Upgrades")
            })?;
            let (lines, stocks) = held_lines::read(&text, state)?;
            KeyUse::Hold(hold_of(row, state, lines, FirstAnswer::Stocks(stocks))?)
        }
        "fence" => KeyUse::Fence,
        _ => return Err(DbError::corrupt("inventory_keys.used_by")),
    };
    Ok((
        read_key(row, 0)?,
        KeyRow {
            created_at: row.time(10)?,
            used,
        },
    ))
}

fn answered_of(method: Method, row: &Row) -> Result<KeyUse, DbError> {
    let (fingerprint, quantity) = (fingerprint_of(row)?, row.int32(5)?);
    Ok(KeyUse::Answered {
        method,
        fingerprint,
        quantity,
    })
}

fn hold_of(
    row: &Row,
    state: HoldState,
    lines: Vec<HeldLine>,
    first_answer: FirstAnswer,
) -> Result<Hold, DbError> {
    Ok(Hold {
        fingerprint: fingerprint_of(row)?,
        reference: read_reference(row, 3)?,
        state,
        lines,
        first_answer,
    })
}

fn state_of(row: &Row) -> Result<HoldState, DbError> {
    let state = HoldState::from_name(&row.text(4)?);
    state.ok_or_else(|| DbError::corrupt("inventory_keys.state"))
}

fn fingerprint_of(row: &Row) -> Result<Fingerprint, DbError> {
    let fingerprint = Fingerprint::from_bytes(&row.bytes(2)?);
    fingerprint.ok_or_else(|| DbError::corrupt("inventory_keys.fingerprint"))
}

/// Reads an idempotency key out of `column`.
pub(super) fn read_key(row: &Row, column: usize) -> Result<IdempotencyKey, DbError> {
    let text = String::from_utf8(row.bytes(column)?).ok();
    let key = text.as_deref().and_then(IdempotencyKey::new);
    key.ok_or_else(|| DbError::corrupt("a key that is none"))
}

/// Reads a reference out of `column`.
pub(super) fn read_reference(row: &Row, column: usize) -> Result<Reference, DbError> {
    let reference = Reference::from_i64(row.int(column)?);
    reference.ok_or_else(|| DbError::corrupt("reference_id out of range"))
}
