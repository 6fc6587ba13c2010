//! Proves that the auditor finds nothing wrong with what the service writes, and that each of its rules
//! finds what breaks it.

use std::sync::Arc;

use payment::audit::{Audit, audit};
use payment::domain::{Op, RefundResult};
use platform::db::{Database, DatabaseOptions};
use testkit::TestDatabase;
use types::PaymentStatus;

use crate::server::{new_home, open};
use crate::world::{Step, World};

/// A database with a refunded order 1, an order 2 that is being paid, and an order 3 that was
/// refused and then paid.
async fn populated() -> (TestDatabase, Database) {
    let home = new_home().await;
    let store = open(&home).await;
    let pay = |order| Step::Pay { order, fen: 500 };
    let hear = || Step::HearCharge { back: 0 };
    let refunded = Step::HearRefund {
        back: 0,
        result: RefundResult::Refunded,
    };
    let life = [
        pay(1),
        hear(),
        Step::Refund { order: 1 },
        refunded,
        pay(2),
        pay(3),
        hear(),
        pay(3),
        hear(),
    ];
    let mut world = World::new();
    let ops: Vec<Op> = life.iter().filter_map(|step| world.op(step)).collect();
    store.apply(ops.into()).await.unwrap();
    store.close().await;
    let database = Database::open(home.url(), payment::MIGRATIONS, DatabaseOptions::default());
    let database = database.await.unwrap();
    (home, database)
}

#[tokio::test]
async fn a_sound_database_reads_as_it_is() {
    let (_home, database) = populated().await;
    let Audit {
        payments,
        open_attempts,
        last_event_id,
        findings,
    } = audit(&database).await.unwrap();
    assert_eq!(findings, []);
    assert_eq!(last_event_id, 4);
    let statuses: Vec<_> = payments
        .iter()
        .map(|p| (p.order_id.get(), p.status))
        .collect();
    let expected = [
        (1, PaymentStatus::Refunded),
        (2, PaymentStatus::Pending),
        (3, PaymentStatus::Paid),
    ];
    assert_eq!(statuses, expected);
    assert!(payments.iter().all(|payment| payment.amount.get() == 500));
    let open: Vec<_> = open_attempts
        .iter()
        .map(|attempt| attempt.order_id.get())
        .collect();
    assert_eq!(open, [2]);
}

#[tokio::test]
async fn every_rule_finds_what_breaks_it() {
    let breakages = [
        (
            "UPDATE payments SET status = 2 WHERE order_id = 2",
            "order 2",
        ),
        (
            "UPDATE payments SET amount = 501 WHERE order_id = 3",
            "order 3",
        ),
        ("DELETE FROM payment_attempts WHERE order_id = 2", "order 2"),
        (
            "UPDATE payment_attempts SET state = 2 WHERE state = 3",
            "attempt PAY",
        ),
        (
            "UPDATE payment_attempts SET next_check_at = NULL",
            "attempt PAY",
        ),
        (
            "UPDATE payment_attempts SET next_check_at = updated_at",
            "attempt PAY",
        ),
        (
            "UPDATE payment_attempts SET payment_no = 'X' WHERE order_id = 3 AND state = 2",
            "attempt X",
        ),
        (
            "UPDATE payment_events SET order_id = -5 WHERE id = 2",
            "order -5",
        ),
        (
            "UPDATE payment_events SET amount = 1 WHERE id = 2",
            "event 2",
        ),
        (
            "UPDATE payment_events SET payment_no = 'PAY0' WHERE id = 4",
            "event 4",
        ),
        (
            "UPDATE payment_events SET status = 2 WHERE id = 3",
            "order 3",
        ),
        (
            "UPDATE payment_events SET status = 3 WHERE id = 4",
            "order 3",
        ),
        (
            "UPDATE payment_events SET status = 4 WHERE id = 2",
            "order 1",
        ),
        ("DELETE FROM payment_events WHERE id = 2", "the feed"),
        ("DELETE FROM payment_events WHERE id = 4", "order 3"),
        (
            "UPDATE id_counters SET next = 9 WHERE name = 'payment_events'",
            "the feed",
        ),
    ];
    for (sql, subject) in breakages {
        let (_home, database) = populated().await;
        let database = Arc::new(database);
        let touched = database
            .write("break", move |tx| Box::pin(tx.execute(sql, vec![])))
            .await;
        assert!(touched.unwrap() > 0, "{sql}");
        let findings = audit(&database).await.unwrap().findings;
        assert!(
            findings
                .iter()
                .any(|found| found.subject.to_string().starts_with(subject)),
            "{sql}: {findings:?}"
        );
    }
}
