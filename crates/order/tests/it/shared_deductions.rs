//! Proves that deductions of one moment share a call, that each hears its own answer, and that whatever
//! becomes of the call none of them waits in vain or takes silence for an answer.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{join, join_all};
use order::clients::{CALL_LIMIT, Deduction, InventoryClient, InventoryGrpc};
use order::domain::Line;
use platform::context::CallContext;
use tokio::time::Instant;
use types::{BookId, OrderId, OrderNo, Quantity, UnixMillis};

use crate::fakes::{Act, FakeInventory};

const PLENTY: u64 = 1;
const SOLD_OUT: u64 = 2;
/// As long as callers wait as a rule, and shorter than a call may take.
const PATIENT: Duration = Duration::from_secs(10);
const HURRIED: Duration = Duration::from_secs(1);

fn inventory() -> (Arc<FakeInventory>, InventoryGrpc) {
    let fake = Arc::new(FakeInventory::default());
    fake.restock(PLENTY, 1_000);
    let client = InventoryGrpc::new(fake.transport());
    (fake, client)
}

fn number(id: u64) -> OrderNo {
    OrderNo::generate(UnixMillis::new(0), id)
}

async fn deduct(client: &InventoryGrpc, patience: Duration, id: u64, book: u64) -> Deduction {
    let context = CallContext::background("test", patience);
    let line = Line {
        book_id: BookId::new(book).unwrap(),
        quantity: Quantity::new(1).unwrap(),
    };
    client
        .deduct(&context, &number(id), OrderId::new(id).unwrap(), &[line])
        .await
}

#[tokio::test]
async fn deductions_of_one_moment_share_a_call_and_each_hears_its_own_answer() {
    let (fake, client) = inventory();
    let fenced = number(3);
    let context = CallContext::background("test", PATIENT);
    client.release(&context, &fenced).await;
    let books = [(1, PLENTY), (2, SOLD_OUT), (3, PLENTY), (4, PLENTY)];
    let asked = books.map(|(id, book)| deduct(&client, PATIENT, id, book));
    let answers = join_all(asked).await;
    let short = Deduction::Short(BookId::new(SOLD_OUT));
    let expected = [Deduction::Held, short, Deduction::Fenced, Deduction::Held];
    assert_eq!(answers, expected);
    assert_eq!((fake.deducts.calls(), fake.held_in_all()), (1, 2));

    assert_eq!(deduct(&client, PATIENT, 5, PLENTY).await, Deduction::Held);
    assert_eq!(
        fake.deducts.calls(),
        2,
        "who comes later has a call of its own"
    );
}

#[tokio::test]
async fn a_call_without_an_answer_leaves_all_in_doubt() {
    let (fake, client) = inventory();
    let ask = || join_all((1..=3).map(|id| deduct(&client, PATIENT, id, PLENTY)));
    for act in [Act::LoseRequest, Act::LoseReply, Act::ReplyLate] {
        fake.deducts.next([act]);
        for answer in ask().await {
            assert!(
                matches!(answer, Deduction::Unknown(_)),
                "{act:?}: {answer:?}"
            );
        }
    }
    for answer in ask().await {
        assert_eq!(answer, Deduction::Held);
    }
    assert_eq!(fake.held_in_all(), 3, "asked again, taken once");
}

#[tokio::test]
async fn where_a_call_for_many_is_refused_each_asks_for_itself() {
    let (fake, client) = inventory();
    let ask = || join_all([4, 5].map(|id| deduct(&client, PATIENT, id, PLENTY)));
    fake.deducts.next([Act::Reject, Act::Reject, Act::Serve]);
    let answers = ask().await;
    assert!(matches!(answers[0], Deduction::Refused(_)), "{answers:?}");
    assert_eq!(answers[1], Deduction::Held);

    fake.keep_to_the_contract();
    assert_eq!(ask().await, [Deduction::Held, Deduction::Held]);
    assert_eq!((fake.deducts.calls(), fake.held_in_all()), (5, 2));
}

#[tokio::test]
async fn who_has_little_time_goes_alone() {
    let (fake, client) = inventory();
    let patience = [HURRIED, PATIENT, HURRIED, PATIENT];
    let asked = (1..).zip(patience);
    let asked = asked.map(|(id, patience)| deduct(&client, patience, id, PLENTY));
    assert!(
        join_all(asked)
            .await
            .iter()
            .all(|answer| *answer == Deduction::Held)
    );
    assert_eq!(fake.deducts.calls(), 3, "two alone, two together");
}

#[tokio::test]
async fn where_the_leader_goes_away_nobody_waits_in_vain() {
    let (fake, client) = inventory();
    // Before the call is made, and in the midst of it.
    for polls in [1, 100] {
        fake.deducts.next([Act::Hang]);
        let mut leader = Box::pin(deduct(&client, PATIENT, 1, PLENTY));
        let mut other = Box::pin(deduct(&client, PATIENT, 2, PLENTY));
        for _ in 0..polls {
            assert!(leader.as_mut().now_or_never().is_none());
            assert!(other.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(leader);
        assert!(matches!(other.await, Deduction::Unknown(_)), "{polls}");
    }
    // The act that was meant for the call that was never made.
    fake.deducts.forget();
    assert_eq!(deduct(&client, PATIENT, 3, PLENTY).await, Deduction::Held);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_given_up_before_anybodys_deadline_however_long_others_took_to_come_along() {
    let (fake, client) = inventory();
    fake.deducts.always(Act::Hang);
    let begun = Instant::now();
    let asked = [1, 2].map(|id| deduct(&client, CALL_LIMIT, id, PLENTY));
    let held_up = tokio::time::advance(Duration::from_secs(2));
    let (answers, ()) = join(join_all(asked), held_up).await;
    for answer in answers {
        assert!(matches!(answer, Deduction::Unknown(_)), "{answer:?}");
    }
    // The clock stands still but for those who wait for it.
    let waited = begun.elapsed();
    assert!(
        waited < CALL_LIMIT + Duration::from_millis(100),
        "{waited:?}"
    );
    assert_eq!(fake.deducts.calls(), 1);
}

#[tokio::test]
async fn more_than_one_call_may_carry_share_several() {
    let (fake, client) = inventory();
    let asked = (1..=300).map(|id| deduct(&client, PATIENT, id, PLENTY));
    assert!(
        join_all(asked)
            .await
            .iter()
            .all(|answer| *answer == Deduction::Held)
    );
    assert_eq!((fake.deducts.calls(), fake.held_in_all()), (3, 300));
}
