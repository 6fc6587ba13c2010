//! Migrations.

use futures::future::join_all;
use platform::db::{Database, DatabaseOptions, DbError, Migration, SchemaState};

use super::{MIGRATIONS, on_all, open};

#[tokio::test(flavor = "multi_thread")]
async fn ten_that_start_at_once_migrate_once() {
    on_all(|url| async move {
        let opened = join_all((0..10).map(|_| open(&url))).await;
        for database in opened {
            database.close().await;
        }
        let found = Database::inspect(&url, MIGRATIONS).await.unwrap();
        assert_eq!(found.schema, SchemaState::Current { steps: 1 });
        let options = DatabaseOptions {
            migrate: false,
            ..DatabaseOptions::default()
        };
        Database::open(&url, MIGRATIONS, options)
            .await
            .unwrap()
            .close()
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_migration_and_a_missing_one_are_refused() {
    const CHANGED: &[Migration] = &[Migration {
        number: 1,
        name: "things",
        sqlite: "SELECT 1",
        mysql: "SELECT 1",
    }];
    on_all(|url| async move {
        let options = DatabaseOptions {
            migrate: false,
            ..DatabaseOptions::default()
        };
        let missing = Database::open(&url, MIGRATIONS, options).await.err();
        let missing = missing.unwrap().to_string();
        assert!(missing.contains("bookstore migrate"), "{missing}");
        open(&url).await.close().await;
        let changed = Database::open(&url, CHANGED, DatabaseOptions::default())
            .await
            .err();
        assert!(matches!(changed, Some(DbError::Corrupt(_))), "{changed:?}");
    })
    .await;
}
