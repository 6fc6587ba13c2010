//! The table `leases`.

use platform::args;
use platform::db::{DbError, Insert, Lookup, Matches, Row, Tx, Value};

use crate::domain::{Change, Lease, Rows, Touched};

const SELECT_BY_NAMES: &str = "SELECT name, holder, expires_at FROM leases WHERE name IN";

const INSERT: Insert = Insert {
    table: "leases",
    columns: "name, holder, expires_at",
};

const UPDATE: &str = "UPDATE leases SET holder = ?, expires_at = ? WHERE name = ? AND holder = ?";

const DELETE: &str = "DELETE FROM leases WHERE name = ?";

pub(super) fn locking(touched: &Touched) -> Lookup<'static> {
    Lookup {
        before: SELECT_BY_NAMES,
        list: touched
            .leases
            .iter()
            .map(|name| Value::from(*name))
            .collect(),
        after: "ORDER BY name",
        locks: true,
    }
}

pub(super) fn load(found: &[Row], touched: &Touched, rows: &mut Rows) -> Result<(), DbError> {
    for row in found {
        let name = row.text(0)?;
        if let Some(name) = touched.leases.get(name.as_str()) {
            rows.load_lease(
                name,
                Lease {
                    holder: row.text(1)?.into(),
                    until: row.time(2)?,
                },
            );
        }
    }
    Ok(())
}

pub(super) async fn save(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    let (mut inserts, mut updates, mut deletes) = (vec![], vec![], vec![]);
    for change in rows.lease_changes() {
        match change {
            Change::Insert(name, lease) => inserts.push(args![*name, &*lease.holder, lease.until]),
            Change::Update { key, before, after } => {
                updates.push(args![&*after.holder, after.until, *key, &*before.holder]);
            }
            Change::Delete(name) => deletes.push(args![*name]),
        }
    }
    let leases = Matches::OneEach("leases");
    tx.execute_each(DELETE, deletes, leases).await?;
    tx.execute_each(UPDATE, updates, leases).await?;
    tx.insert_rows(&INSERT, inserts).await
}
