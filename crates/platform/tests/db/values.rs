//! Values as they come back, and keys that are there already.

use platform::args;
use platform::db::{DbError, Value};
use types::UnixMillis;

use super::{WHOLE, insert, on_all, open, sum};

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_as_they_went_in() {
    on_all(|url| async move {
        let database = open(&url).await;
        let text = "书 \\ ' \" ; -- 🙂\n";
        let bytes = vec![0, 255, b'\'', b'\\', b'a'];
        let at = UnixMillis::new(1_795_355_045_123);
        let row = args![1_i64, i64::MIN, text, bytes.clone(), at];
        let nothing = Option::<i64>::None;
        let bare = |id: i64| args![id, i64::MAX, nothing, nothing, nothing];
        // NULL beside values, and where there is nothing else.
        let (rows, last) = (vec![row, bare(2)], vec![bare(3)]);
        let read = database
            .write("values", move |tx| {
                let (rows, last) = (rows.clone(), last.clone());
                Box::pin(async move {
                    tx.insert_rows(&WHOLE, rows).await?;
                    tx.insert_rows(&WHOLE, last).await?;
                    let ids = (1..=4_i64).map(Value::from).collect();
                    tx.query_in(
                        "SELECT amount, name, secret, at FROM things WHERE id IN",
                        ids,
                        "ORDER BY id",
                    )
                    .await
                })
            })
            .await
            .unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].int(0).unwrap(), i64::MIN);
        assert_eq!(read[0].text(1).unwrap(), text);
        assert_eq!(read[0].bytes(2).unwrap(), bytes);
        assert_eq!(read[0].time(3).unwrap(), at);
        for row in &read[1..] {
            assert_eq!(row.int(0).unwrap(), i64::MAX);
            assert_eq!(row.opt_text(1).unwrap(), None);
            assert_eq!(row.opt_time(3).unwrap(), None);
        }
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_rolls_all_back() {
    on_all(|url| async move {
        let database = open(&url).await;
        insert(&database, 1, 1).await.unwrap();
        let refused = database
            .write("duplicate", |tx| {
                Box::pin(async move {
                    tx.execute(
                        "INSERT INTO things (id, amount) VALUES (?, ?)",
                        args![2_i64, 1_i64],
                    )
                    .await?;
                    tx.execute(
                        "INSERT INTO things (id, amount) VALUES (?, ?)",
                        args![1_i64, 1_i64],
                    )
                    .await
                })
            })
            .await;
        assert!(
            matches!(refused, Err(DbError::Duplicate { .. })),
            "{refused:?}"
        );
        assert_eq!(sum(&database).await, 1);
        database.close().await;
    })
    .await;
}
