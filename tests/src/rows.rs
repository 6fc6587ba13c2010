//! What only a database knows: who holds a lease, and when something was done.

use platform::db::{Database, DatabaseUrl, Row};

/// Reads rows of a service's database, of either kind, on one snapshot.
///
/// # Errors
/// A database out of reach, or a statement that it does not take.
pub async fn read_rows(url: &DatabaseUrl, sql: &'static str) -> anyhow::Result<Vec<Row>> {
    let database = Database::open_read_only(url)?;
    let reading = database.read("test", move |tx| {
        Box::pin(async move { tx.query(sql, Vec::new()).await })
    });
    let rows = reading.await;
    database.close().await;
    Ok(rows?)
}
