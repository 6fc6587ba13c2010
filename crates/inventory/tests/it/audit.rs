//! Proves that the audit finds and names damage that was done to the rows behind the service's back:
//! one kind in each test.

use inventory::audit::{self, Problem};
use inventory::domain::Op;
use inventory::store::sql::SqlStore;
use inventory::store::{LedgerSums, Store};
use platform::args;
use platform::db::Database;
use testkit::TestDatabase;
use types::UnixMillis;

use crate::store::open;
use crate::stories::{batch_deduct, book, deduct, key, restock};

/// A database with two books, an open batch (`b`) and an open single hold (`s`).
async fn healthy(home: &TestDatabase) -> Database {
    let database = open(home).await;
    let commands = [
        restock(1, 10, ""),
        restock(2, 10, ""),
        batch_deduct(&[(1, 2), (2, 3)], 7, "b"),
        deduct(1, 4, 8, "s"),
    ];
    let op = |command| Op {
        at: UnixMillis::new(1),
        command,
    };
    let store = SqlStore::new(database.clone());
    let decisions = store.apply(commands.map(op).to_vec().into()).await.unwrap();
    assert!(decisions.iter().all(Result::is_ok));
    database
}

/// What the audit finds after `damage`, as text.
async fn problems_after(damage: &'static str) -> Vec<Problem> {
    let home = TestDatabase::new().await.unwrap();
    let database = healthy(&home).await;
    let touched = database
        .write("damage", move |tx| {
            Box::pin(async move { tx.execute(damage, args![]).await })
        })
        .await
        .unwrap();
    assert!(touched > 0, "{damage}");
    let audit = audit::read(&database).await.unwrap();
    database.close().await;
    audit.problems
}

#[tokio::test]
async fn a_healthy_database_has_no_problems() {
    let home = TestDatabase::new().await.unwrap();
    let database = healthy(&home).await;
    assert_eq!(audit::read(&database).await.unwrap().problems, []);
    database.close().await;
}

#[tokio::test]
async fn copies_out_of_nowhere_are_found() {
    let problems =
        problems_after("UPDATE inventories SET quantity = quantity + 1 WHERE book_id = 1").await;
    let differs = Problem::BalanceDiffers {
        book: book(1),
        balance: (5, 6),
        ledger: (4, 6),
    };
    assert_eq!(
        problems,
        [
            differs,
            Problem::NotConserved {
                book: book(1),
                surplus: 1
            }
        ]
    );
}

#[tokio::test]
async fn a_lost_balance_is_found() {
    let problems = problems_after("DELETE FROM inventories WHERE book_id = 2").await;
    assert!(problems.contains(&Problem::NotConserved {
        book: book(2),
        surplus: -10
    }));
}

#[tokio::test]
async fn a_lost_entry_breaks_the_chain() {
    let problems =
        problems_after("DELETE FROM inventory_logs WHERE book_id = 1 AND version_after = 2").await;
    assert!(problems.contains(&Problem::ChainBroken {
        book: book(1),
        version: 3
    }));
}

#[tokio::test]
async fn an_edited_entry_breaks_the_chain() {
    let problems = problems_after(
        "UPDATE inventory_logs SET quantity_after = 9 WHERE book_id = 1 AND version_after = 2",
    )
    .await;
    let broken = |version| Problem::ChainBroken {
        book: book(1),
        version,
    };
    assert_eq!(problems, [broken(2), broken(3)]);
}

#[tokio::test]
async fn a_hold_that_forgot_its_copies_is_found() {
    let problems =
        problems_after("UPDATE inventory_keys SET outstanding = 1 WHERE idempotency_key = X'73'")
            .await;
    let differs = Problem::HoldDiffers {
        key: key("s"),
        remembered: Some(1),
        ledger: 4,
    };
    assert_eq!(problems, [differs]);
}

#[tokio::test]
async fn a_batch_that_remembers_other_copies_is_found() {
    let problems = problems_after(
        "UPDATE inventory_keys SET held_lines = '1:2:8:2:2,2:9:7:3:2' WHERE used_by = 'batch'",
    )
    .await;
    let differs = Problem::HoldDiffers {
        key: key("b"),
        remembered: Some(11),
        ledger: 5,
    };
    assert_eq!(problems, [differs]);
}

#[tokio::test]
async fn a_batch_that_remembers_as_many_copies_of_other_books_is_found() {
    let problems = problems_after(
        "UPDATE inventory_keys SET held_lines = '1:3:8:2:2,2:2:7:3:2' WHERE used_by = 'batch'",
    )
    .await;
    assert_eq!(problems, [Problem::HoldOfOtherBooks { key: key("b") }]);
    assert_eq!(problems[0].subject(), "hold b");
    assert_eq!(problems[0].to_string(), "of other books than by the ledger");
}

#[tokio::test]
async fn a_batch_that_does_not_know_its_lines_is_found() {
    let problems =
        problems_after("UPDATE inventory_keys SET held_lines = NULL WHERE used_by = 'batch'").await;
    let differs = Problem::HoldDiffers {
        key: key("b"),
        remembered: Some(0),
        ledger: 5,
    };
    assert_eq!(problems, [differs]);
}

#[tokio::test]
async fn an_open_batch_of_which_nothing_is_left_is_found() {
    let home = TestDatabase::new().await.unwrap();
    let database = healthy(&home).await;
    for damage in [
        "UPDATE inventory_keys SET held_lines = NULL WHERE used_by = 'batch'",
        "DELETE FROM inventory_logs WHERE hold_key = X'62'",
    ] {
        let done = database.write("damage", move |tx| {
            Box::pin(async move { tx.execute(damage, args![]).await })
        });
        assert!(done.await.unwrap() > 0, "{damage}");
    }
    let problems = audit::read(&database).await.unwrap().problems;
    let differs = Problem::HoldDiffers {
        key: key("b"),
        remembered: Some(0),
        ledger: 0,
    };
    assert!(problems.contains(&differs), "{problems:?}");
    database.close().await;
}

#[tokio::test]
async fn a_hold_that_ended_without_its_copies_moving_is_found() {
    let problems =
        problems_after("UPDATE inventory_keys SET state = 'released' WHERE used_by = 'batch'")
            .await;
    assert_eq!(
        problems,
        [Problem::HoldDiffers {
            key: key("b"),
            remembered: None,
            ledger: 5
        }]
    );
    assert_eq!(problems[0].subject(), "hold b");
    assert_eq!(
        problems[0].to_string(),
        "5 outstanding by the ledger, but it is not open"
    );
}

#[tokio::test]
async fn a_hold_whose_copies_moved_without_its_ending_is_found() {
    let problems = problems_after("DELETE FROM inventory_logs WHERE hold_key = X'62'").await;
    let differs = |problem: &Problem| matches!(problem, Problem::HoldDiffers { key, ledger: 0, .. } if key.as_str() == "b");
    assert!(problems.iter().any(differs), "{problems:?}");
}

#[tokio::test]
async fn the_sums_see_a_drift() {
    let home = TestDatabase::new().await.unwrap();
    let database = healthy(&home).await;
    let damage = "UPDATE inventories SET reserved = reserved - 2 WHERE book_id = 1";
    database
        .write("damage", move |tx| {
            Box::pin(async move { tx.execute(damage, args![]).await })
        })
        .await
        .unwrap();
    let store = SqlStore::new(database);
    assert_eq!(
        store
            .read_sums(LedgerSums::default(), 0)
            .await
            .unwrap()
            .drift(),
        2
    );
    store.close().await;
}
