//! The table `leases`.

use platform::args;
use platform::db::{DbError, Tx, Value};

use super::expect_rows;
use crate::domain::{Change, Lease, Rows, Touched};

const SELECT_BY_NAMES: &str = "SELECT name, holder, expires_at FROM leases WHERE name IN";

const INSERT: &str = "INSERT INTO leases (name, holder, expires_at) VALUES";

const UPDATE: &str = "UPDATE leases SET holder = ?, expires_at = ? WHERE name = ? AND holder = ?";

const DELETE: &str = "DELETE FROM leases WHERE name = ?";

pub(super) async fn load(tx: &mut Tx, touched: &Touched, rows: &mut Rows) -> Result<(), DbError> {
    let names = touched
        .leases
        .iter()
        .map(|name| Value::from(*name))
        .collect();
    let tail = format!("ORDER BY name{}", tx.for_update());
    for row in tx.query_in(SELECT_BY_NAMES, names, &tail).await? {
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
    let updated = updates.len();
    tx.execute_each(DELETE, deletes).await?;
    expect_rows(tx.execute_each(UPDATE, updates).await?, updated, "leases")?;
    tx.insert_rows(INSERT, inserts).await
}
