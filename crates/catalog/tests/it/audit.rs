//! Proves what the auditor reads, while the catalog runs.

use catalog::audit::{Audit, Fault};
use platform::args;
use platform::db::{Database, DatabaseOptions};
use types::BookId;

use crate::harness::{book, publish, serve};

#[tokio::test]
async fn the_auditor_counts_books_and_finds_what_is_missing() {
    let (mut catalog, home) = serve().await;
    for id in [1, 2, 5] {
        publish(&mut catalog.client, book(id, "书", "")).await;
    }
    let audit = Audit::open(home.url()).unwrap();
    assert_eq!(audit.count_books().await.unwrap(), 3);
    let ids = [9, 1, 5, 3].map(|id| BookId::new(id).unwrap());
    assert_eq!(
        audit.find_missing(ids.to_vec()).await.unwrap(),
        [ids[0], ids[3]]
    );
    assert_eq!(audit.find_faults().await.unwrap(), []);
    audit.close().await;
}

#[tokio::test]
async fn the_auditor_sees_what_somebody_else_wrote_into_the_table() {
    let (mut catalog, home) = serve().await;
    for (id, isbn) in [(1, "978-1"), (2, "978-2"), (3, "")] {
        publish(&mut catalog.client, book(id, "书", isbn)).await;
    }
    let db = Database::open(home.url(), catalog::MIGRATIONS, DatabaseOptions::default())
        .await
        .unwrap();
    db.write("tamper", |tx| {
        Box::pin(async move {
            tx.execute("UPDATE books SET isbn = '979' WHERE id = ?", args![2_i64])
                .await?;
            tx.execute("UPDATE books SET revision = 77 WHERE id = ?", args![3_i64])
                .await
        })
    })
    .await
    .unwrap();
    let audit = Audit::open(home.url()).unwrap();
    assert_eq!(
        audit.find_faults().await.unwrap(),
        [
            Fault::RevisionAhead {
                id: 3,
                revision: 77
            },
            Fault::IsbnKeyDiffers { id: 2 }
        ]
    );
    db.close().await;
}
