//! Proves that every store keeps what the rules decided, that replicas on one database notice each
//! other's writes, and that the SQL store is the model: same answers, same rows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use payment::domain::{Event, Op, Outcome, PayBegun, Rescheduled, Settled};
use payment::store::{MemoryStore, Store};
use proptest::prelude::*;
use testkit::TestDatabase;
use types::{PaymentStatus, UnixMillis};

use crate::server::{find_record, new_home, open};
use crate::world::{EARLY, Step, World, steps};

const FAR_FUTURE: UnixMillis = UnixMillis::new(4_000_000_000_000);

/// Runs each function on a store of each kind, each on a store of its own.
macro_rules! on_every_store {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(payment::store::MemoryStore::new()).await;
            })+
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let home = super::TestDatabase::sqlite().unwrap();
                super::$test(super::open(&home).await).await;
            })+
        }

        mod mysql {
            $(#[tokio::test]
            async fn $test() {
                if let Some(home) = super::TestDatabase::mysql().await.unwrap() {
                    super::$test(super::open(&home).await).await;
                }
            })+
        }
    };
}

on_every_store! {
    a_record_reads_back_as_the_rules_left_it,
    one_batch_may_carry_an_order_through_its_life,
    due_attempts_come_most_overdue_first,
    the_feed_reads_from_any_id_on,
    serials_are_handed_out_once,
    the_figures_count_what_is_open_and_told,
}

async fn apply(store: &dyn Store, ops: Vec<Op>) -> Vec<Outcome> {
    store.apply(ops.into()).await.unwrap()
}

fn pay(order: u64) -> Step {
    Step::Pay { order, fen: 500 }
}

fn ops(steps: &[Step]) -> Vec<Op> {
    let mut world = World::new();
    steps.iter().filter_map(|step| world.op(step)).collect()
}

async fn a_record_reads_back_as_the_rules_left_it(store: Arc<dyn Store>) {
    assert_eq!(find_record(&*store, 1).await, None);
    let refunded = payment::domain::RefundResult::Refunded;
    let life = [
        pay(1),
        Step::HearCharge { back: 0 },
        Step::Refund { order: 1 },
        Step::HearRefund {
            back: 0,
            result: refunded,
        },
    ];
    for op in ops(&life) {
        let outcome = apply(&*store, vec![op]).await.pop().unwrap();
        let told = match outcome {
            Outcome::PayBegun(PayBegun::Started(record))
            | Outcome::RefundBegun(payment::domain::RefundBegun::Started(record))
            | Outcome::Settled(Settled::Moved(record)) => record,
            other => panic!("{other:?}"),
        };
        assert_eq!(find_record(&*store, 1).await, Some(told));
    }
    assert_eq!(
        find_record(&*store, 1).await.unwrap().payment.status,
        PaymentStatus::Refunded
    );
}

async fn one_batch_may_carry_an_order_through_its_life(store: Arc<dyn Store>) {
    // Serial 3 is refused by the world's gateway; then the same order is tried again.
    let life = [
        pay(1),
        pay(2),
        pay(3),
        Step::HearCharge { back: 0 },
        pay(3),
        Step::HearCharge { back: 0 },
    ];
    let outcomes = apply(&*store, ops(&life)).await;
    assert_eq!(outcomes.len(), life.len());
    let record = find_record(&*store, 3).await.unwrap();
    assert_eq!(record.payment.status, PaymentStatus::Paid);
    assert_eq!(record.payment.id, 3, "the row of the first attempt");
    let events = store.list_events(0, 10).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.id, event.status))
        .collect();
    assert_eq!(told, [(1, PaymentStatus::Failed), (2, PaymentStatus::Paid)]);
}

async fn due_attempts_come_most_overdue_first(store: Arc<dyn Store>) {
    let late = Step::Claim {
        back: 1,
        seen_late: false,
        next_late: true,
    };
    let outcomes = apply(&*store, ops(&[pay(1), pay(2), late])).await;
    assert!(matches!(
        outcomes.last(),
        Some(Outcome::Rescheduled(Rescheduled::Won(_)))
    ));
    let due = store.list_due(FAR_FUTURE, 10).await.unwrap();
    let orders: Vec<_> = due
        .iter()
        .map(|record| record.payment.order_id.get())
        .collect();
    assert_eq!(orders, [2, 1]);
    assert_eq!(store.list_due(FAR_FUTURE, 1).await.unwrap().len(), 1);
    let first = due.first().unwrap().attempt.next_check_at.unwrap();
    assert_eq!(
        store.list_due(first, 10).await.unwrap().len(),
        1,
        "due at that very moment"
    );
    let before = first.minus(Duration::from_millis(1));
    assert_eq!(store.list_due(before, 10).await.unwrap(), []);
}

async fn the_feed_reads_from_any_id_on(store: Arc<dyn Store>) {
    let mut life = Vec::new();
    for _ in 0..10 {
        // Serials 3, 6, 9, … are refused; the first that is not ends the story of the order.
        life.extend([
            pay(1),
            Step::HearCharge { back: 0 },
            pay(2),
            Step::HearCharge { back: 0 },
        ]);
    }
    apply(&*store, ops(&life)).await;
    let all = store.list_events(0, 100).await.unwrap();
    assert!(all.len() >= 2);
    for (event, id) in all.iter().zip(1..) {
        assert_eq!(event.id, id);
        let rest = store.list_events(id, 100).await.unwrap();
        assert_eq!(rest.len(), all.len() - usize::try_from(id).unwrap());
        assert_eq!(
            store.list_events(id - 1, 1).await.unwrap(),
            std::slice::from_ref(event)
        );
    }
    assert_eq!(store.list_events(1 << 60, 100).await.unwrap(), []);
    assert_eq!(store.list_events(u64::MAX, 100).await.unwrap(), []);
}

async fn serials_are_handed_out_once(store: Arc<dyn Store>) {
    let mut seen = BTreeSet::new();
    for count in [1, 16, 1, 32] {
        for serial in store.reserve(count).await.unwrap() {
            assert!(seen.insert(serial));
        }
    }
    assert_eq!(seen.len(), 50);
    assert_eq!(seen.first(), Some(&1));
}

async fn the_figures_count_what_is_open_and_told(store: Arc<dyn Store>) {
    let none = store.measure().await.unwrap();
    assert_eq!((none.attempts_open, none.last_event_id), (0, 0));
    apply(
        &*store,
        ops(&[pay(1), Step::HearCharge { back: 0 }, pay(2)]),
    )
    .await;
    let some = store.measure().await.unwrap();
    assert_eq!((some.attempts_open, some.last_event_id), (1, 1));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let home = new_home().await;
    let store = open(&home).await;
    apply(&*store, ops(&[pay(1), Step::HearCharge { back: 0 }])).await;
    let before = find_record(&*store, 1).await;
    store.close().await;
    let again = open(&home).await;
    assert_eq!(find_record(&*again, 1).await, before);
    assert_eq!(again.measure().await.unwrap().last_event_id, 1);
}

#[tokio::test]
async fn two_replicas_on_one_database_number_one_feed() {
    let home = new_home().await;
    number_one_feed([open(&home).await, open(&home).await]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_mysql_number_one_feed() {
    if let Some(home) = TestDatabase::mysql().await.unwrap() {
        number_one_feed([open(&home).await, open(&home).await]).await;
    }
}

async fn number_one_feed(stores: [Arc<dyn Store>; 2]) {
    let mut world = World::new();
    let mut writes = Vec::new();
    for turn in 0..60 {
        let order = u64::try_from(turn % 3).unwrap() + 1;
        for step in [pay(order), Step::HearCharge { back: 0 }] {
            let store = Arc::clone(&stores[turn % 2]);
            let op = world.op(&step).unwrap();
            writes.push(async move { apply(&*store, vec![op]).await });
        }
    }
    futures::future::join_all(writes).await;
    // And many orders that have nothing in common but the feed, settled all at once.
    let mut settlements = Vec::new();
    for (order, store) in (101..=140).zip(stores.iter().cycle()) {
        apply(&**store, vec![world.op(&pay(order)).unwrap()]).await;
        let settle = world.op(&Step::HearCharge { back: 0 }).unwrap();
        settlements.push(apply(&**store, vec![settle]));
    }
    futures::future::join_all(settlements).await;
    let events = whole_feed(&*stores[0]).await;
    assert!(
        events
            .iter()
            .map(|event| event.id)
            .eq(1..=u64::try_from(events.len()).unwrap())
    );
    assert_eq!(whole_feed(&*stores[1]).await, events);
    for order in 1..=3 {
        let paid = |e: &&Event| e.order_id.get() == order && e.status == PaymentStatus::Paid;
        assert!(
            events.iter().filter(paid).count() <= 1,
            "order {order} was charged twice"
        );
    }
}

/// All events, asked for until there are no more: what another replica added comes with the second answer.
async fn whole_feed(store: &dyn Store) -> Vec<Event> {
    let mut events = Vec::<Event>::new();
    loop {
        let after = events.last().map_or(0, |event| event.id);
        let more = store.list_events(after, 1000).await.unwrap();
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_another_replica_added_is_durable_before_it_is_read() {
    let Some(home) = TestDatabase::mysql().await.unwrap() else {
        return;
    };
    let [own, other] = [open(&home).await, open(&home).await];
    let mut world = World::new();
    for order in [1, 2] {
        apply(&*own, vec![world.op(&pay(order)).unwrap()]).await;
        let settle = world.op(&Step::HearCharge { back: 0 }).unwrap();
        apply(&*own, vec![settle]).await;
    }
    let before = home.barrier_passes().await.unwrap();
    let events = own.list_events(0, 10).await.unwrap();
    assert_eq!(events.len(), 2);
    let passes = async || home.barrier_passes().await.unwrap() - before;
    assert_eq!(passes().await, 0, "its commits were acknowledged");
    for _ in 0..2 {
        assert_eq!(other.list_events(0, 10).await.unwrap(), events);
        assert_eq!(passes().await, 1, "what is known to be durable stays so");
    }
    // Beside what it knows of, there is something new: that comes with the next question.
    apply(&*own, vec![world.op(&pay(4)).unwrap()]).await;
    apply(
        &*own,
        vec![world.op(&Step::HearCharge { back: 0 }).unwrap()],
    )
    .await;
    assert_eq!(other.list_events(0, 10).await.unwrap(), events);
    assert_eq!(other.list_events(2, 10).await.unwrap().len(), 1);
    assert_eq!(passes().await, 2);
}

#[tokio::test]
async fn what_another_replica_did_is_noticed() {
    notice_each_other(&new_home().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_replica_did_on_mysql_is_noticed() {
    if let Some(home) = TestDatabase::mysql().await.unwrap() {
        notice_each_other(&home).await;
    }
}

/// Each replica here remembers something that is no longer so.
async fn notice_each_other(home: &TestDatabase) {
    let mut world = World::new();
    let mut op = |step: Step| world.op(&step).unwrap();
    let hear = || Step::HearCharge { back: 0 };
    let is_news = |outcomes: &[Outcome]| matches!(outcomes, [Outcome::Settled(Settled::Moved(_))]);
    let other = open(home).await;

    // An attempt that somebody else has settled. The feed's place it hears of in between.
    let store = open(home).await;
    apply(&*store, vec![op(pay(11))]).await;
    let known = vec![op(hear())];
    assert!(is_news(&apply(&*store, known.clone()).await));
    apply(&*store, vec![op(pay(1))]).await;
    let settle = vec![op(hear())];
    assert!(is_news(&apply(&*other, settle.clone()).await));
    for stale in [known, settle] {
        let late = apply(&*store, stale).await;
        assert!(matches!(late[..], [Outcome::Settled(Settled::Stands(_))]));
    }

    // A refused order that somebody else is paying again: serial 3.
    let store = open(home).await;
    apply(&*store, vec![op(pay(6))]).await;
    assert!(is_news(&apply(&*store, vec![op(hear())]).await));
    apply(&*other, vec![op(pay(6))]).await;
    let begun = apply(&*store, vec![op(pay(6))]).await;
    assert!(matches!(
        begun[..],
        [Outcome::PayBegun(PayBegun::InFlight(_))]
    ));

    // An order that somebody else is paying.
    let store = open(home).await;
    apply(&*other, vec![op(pay(2))]).await;
    let begun = apply(&*store, vec![op(pay(2)), op(pay(3))]).await;
    let [Outcome::PayBegun(first), Outcome::PayBegun(second)] = &begun[..] else {
        panic!("{begun:?}")
    };
    assert!(matches!(first, PayBegun::InFlight(_)));
    assert!(matches!(second, PayBegun::Started(_)));

    // An attempt that came after the one that is remembered. The gateway refuses every third.
    let store = open(home).await;
    for order in [12, 13, 14] {
        apply(&*store, vec![op(pay(order))]).await;
        assert!(is_news(&apply(&*store, vec![op(hear())]).await));
    }
    apply(&*store, vec![op(pay(5))]).await;
    let refused = apply(&*other, vec![op(hear())]).await;
    let [Outcome::Settled(Settled::Moved(refused))] = &refused[..] else {
        panic!("{refused:?}")
    };
    assert_eq!(refused.payment.status, PaymentStatus::Failed);
    apply(&*other, vec![op(pay(5))]).await;
    assert!(is_news(&apply(&*store, vec![op(hear())]).await));

    // A feed that has grown.
    let store = open(home).await;
    for (replica, order) in [(&store, 15), (&other, 16), (&store, 17), (&store, 18)] {
        apply(&**replica, vec![op(pay(order))]).await;
        assert!(is_news(&apply(&**replica, vec![op(hear())]).await));
    }
    let events = store.list_events(0, 99).await.unwrap();
    assert!(events.iter().map(|event| event.id).eq(1..=12), "no gap");
    let told = events.iter().map(|event| event.order_id.get());
    assert!(told.eq([11, 1, 6, 12, 13, 14, 5, 5, 15, 16, 17, 18]));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_is_the_model(batches in prop::collection::vec(steps(1..12), 1..8)) {
        runtime().block_on(compare(batches, &[TestDatabase::sqlite().unwrap()]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn mysql_and_sqlite_are_the_model(batches in prop::collection::vec(steps(1..12), 1..8)) {
        runtime().block_on(async {
            if let Some(mysql) = TestDatabase::mysql().await.unwrap() {
                compare(batches, &[TestDatabase::sqlite().unwrap(), mysql]).await;
            }
        });
    }
}

/// Gives the same batches to the model and to stores, and compares everything that can be seen.
async fn compare(batches: Vec<Vec<Step>>, homes: &[TestDatabase]) {
    let model: Arc<dyn Store> = MemoryStore::new();
    let mut others = Vec::new();
    for home in homes {
        others.push(open(home).await);
    }
    let mut world = World::new();
    for batch in batches {
        let ops: Vec<Op> = batch.iter().filter_map(|step| world.op(step)).collect();
        let expected = apply(&*model, ops.clone()).await;
        let seen = picture(&*model).await;
        let serials = model.reserve(3).await.unwrap();
        for sql in &others {
            assert_eq!(apply(&**sql, ops.clone()).await, expected);
            assert_eq!(picture(&**sql).await, seen);
            assert_eq!(sql.reserve(3).await.unwrap(), serials);
        }
    }
    for (home, sql) in homes.iter().zip(others) {
        let database = platform::db::Database::open_read_only(home.url()).unwrap();
        let audit = payment::audit::audit(&database).await.unwrap();
        assert_eq!(audit.findings, [], "the auditor agrees");
        sql.close().await;
    }
}

/// Everything that a store shows of itself, as text.
async fn picture(store: &dyn Store) -> String {
    let mut picture = Vec::new();
    // Nobody ever pays order 4.
    for order in 1..=4 {
        picture.push(format!("{order}: {:?}", find_record(store, order).await));
    }
    for (now, limit) in [(FAR_FUTURE, 9), (FAR_FUTURE, 1), (EARLY, 9)] {
        let due = store.list_due(now, limit).await.unwrap();
        picture.push(format!("due at {now:?}: {due:?}"));
    }
    for (after, limit) in [(0, 999), (0, 1), (2, 3), (999, 9)] {
        let events = store.list_events(after, limit).await.unwrap();
        picture.push(format!("after {after}: {events:?}"));
    }
    picture.push(format!("{:?}", store.measure().await.unwrap()));
    picture.join("\n")
}
