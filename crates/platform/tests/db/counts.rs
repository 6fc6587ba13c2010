//! What the metrics page tells of units of work.

use platform::args;
use platform::db::{Database, DbError};

use super::{MIGRATIONS, NUMBERED, on_all, open};

/// The value of a counter of the unit "counted" on the process' metrics page.
fn counted(name: &str) -> u64 {
    let page = platform::telemetry::metrics_page().unwrap().render();
    let prefix = format!("{name}{{work=\"counted\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&prefix));
    line.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn units_of_work_and_their_round_trips_are_counted() {
    on_all(|url| async move {
        platform::telemetry::metrics_page().unwrap();
        let database = open(&url).await;
        let (units, round_trips) = (
            counted("bookstore_db_units_total"),
            counted("bookstore_db_round_trips_total"),
        );
        let rows = |first: i64| (first..first + 3).map(|id| args![id, 1_i64]).collect();
        let written = database.write("counted", move |tx| {
            Box::pin(async move {
                tx.insert_rows(&NUMBERED, rows(1)).await?;
                tx.query("SELECT id FROM things", Vec::new()).await
            })
        });
        assert_eq!(written.await.unwrap().len(), 3);
        let failed = database.write::<(), _>("counted", |_| {
            Box::pin(async { Err(DbError::Broken("on purpose".to_owned())) })
        });
        assert!(failed.await.is_err());
        let asked = counted("bookstore_db_round_trips_total") - round_trips;
        assert_eq!(counted("bookstore_db_units_total") - units, 2);
        // In process: begin, insert, select, commit; begin, roll back. To a server: all that can wait
        // goes with the select, then the commit; and of what failed before it had to ask, nothing.
        let server = Database::inspect(&url, MIGRATIONS).await.unwrap().server;
        let expected = if server.starts_with("SQLite") { 6 } else { 2 };
        assert_eq!(asked, expected, "{server}");
        database.close().await;
    })
    .await;
}
