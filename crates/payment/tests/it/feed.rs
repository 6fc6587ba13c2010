//! Proves that the feed tells every settled change once, in order and without a gap, from any
//! place on, across replicas and restarts, and ends cleanly.

use api::payment::v1::{PaymentEvent, WatchPaymentsRequest};
use futures::future::join_all;
use platform::deadline::Deadline;
use tonic::Streaming;

use crate::scripted::{Say, Scripted};
use crate::server::{PATIENT, Server, new_home, open, start, start_on};

const PAID: i32 = 2;
const REFUNDED: i32 = 3;
const FAILED: i32 = 4;

async fn watch(server: &Server, after_event_id: u64) -> Streaming<PaymentEvent> {
    let request = WatchPaymentsRequest { after_event_id };
    server
        .client
        .clone()
        .watch_payments(request)
        .await
        .unwrap()
        .into_inner()
}

/// The next event. A feed that lost one goes silent, and fails the test.
async fn next(stream: &mut Streaming<PaymentEvent>) -> PaymentEvent {
    let message = Deadline::after(PATIENT).within(stream.message()).await;
    message.expect("the feed went silent").unwrap().unwrap()
}

async fn take(stream: &mut Streaming<PaymentEvent>, count: usize) -> Vec<PaymentEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(next(stream).await);
    }
    events
}

#[tokio::test]
async fn every_settled_change_is_told_with_its_attempt() {
    let gateway = Scripted::new(&[Say::No], &[]);
    let server = start(gateway, PATIENT).await;
    let mut feed = watch(&server, 0).await;
    server.pay(1, 500).await;
    let refused = server.payment(1).await;
    let paid = server.pay(1, 700).await;
    server.refund(1).await;

    let events = take(&mut feed, 3).await;
    let told: Vec<_> = events
        .iter()
        .map(|e| (e.event_id, e.order_id, e.amount, e.status))
        .collect();
    assert_eq!(
        told,
        [
            (1, 1, 500, FAILED),
            (2, 1, 700, PAID),
            (3, 1, 700, REFUNDED)
        ]
    );
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event.payment_no.as_str())
        .collect();
    assert_eq!(
        numbers,
        [&refused.payment_no, &paid.payment_no, &paid.payment_no]
    );
    assert!(events.iter().all(|event| event.created_at > 1_700_000_000));
}

#[tokio::test]
async fn a_follower_misses_nothing_while_many_settle_at_once() {
    let server = start(Scripted::new(&[Say::No; 20], &[]), PATIENT).await;
    let mut feed = watch(&server, 0).await;
    let life = |order| {
        let server = &server;
        async move {
            while server.pay(order, 500).await.code != 0 {}
            server.refund(order).await;
        }
    };
    let follow = take(&mut feed, 220);
    let (events, _) = tokio::join!(follow, join_all((1..=100).map(life)));
    assert!(events.iter().map(|event| event.event_id).eq(1..=220));
    for (status, count) in [(FAILED, 20), (PAID, 100), (REFUNDED, 100)] {
        assert_eq!(
            events.iter().filter(|event| event.status == status).count(),
            count
        );
    }
}

#[tokio::test]
async fn an_event_that_becomes_visible_late_is_waited_for() {
    let server = start(Scripted::new(&[], &[]), PATIENT).await;
    server.store.hide_event(2);
    let mut feed = watch(&server, 0).await;
    for order in 1..=4 {
        server.pay(order, 500).await;
    }
    assert_eq!(next(&mut feed).await.event_id, 1);
    let mut later = watch(&server, 0).await;
    assert_eq!(next(&mut later).await.event_id, 1);
    server.store.hide_event(0);
    for stream in [&mut feed, &mut later] {
        let ids: Vec<_> = take(stream, 3).await.iter().map(|e| e.event_id).collect();
        assert_eq!(ids, [2, 3, 4]);
    }
}

#[tokio::test]
async fn a_follower_resumes_exactly_where_it_stopped() {
    let server = start(Scripted::new(&[], &[]), PATIENT).await;
    // More than the service reads at once.
    join_all((1..=300).map(|order| server.pay(order, 500))).await;
    let all = take(&mut watch(&server, 0).await, 300).await;
    for after in [1, 255, 256, 257, 299] {
        let seen = usize::try_from(after).unwrap();
        let mut feed = watch(&server, after).await;
        let rest = take(&mut feed, 300 - seen).await;
        assert!(rest.iter().eq(all.iter().skip(seen)), "after {after}");
    }
    let mut live = watch(&server, 300).await;
    let (event, _) = tokio::join!(next(&mut live), server.pay(301, 500));
    assert_eq!((event.event_id, event.order_id), (301, 301));
}

#[tokio::test]
async fn a_follower_at_one_replica_hears_of_payments_at_another() {
    let (home, gateway) = (new_home().await, Scripted::new(&[], &[]));
    let one = start_on(open(&home).await, gateway.clone(), PATIENT).await;
    let two = start_on(open(&home).await, gateway, PATIENT).await;
    let mut feed = watch(&one, 0).await;
    for order in 1..=3 {
        two.pay(order, 500).await;
        assert_eq!(next(&mut feed).await.order_id, order);
    }
}

#[tokio::test]
async fn the_feed_goes_on_after_a_restart() {
    let home = new_home().await;
    for run in 1..=3 {
        let server = start_on(open(&home).await, Scripted::new(&[], &[]), PATIENT).await;
        let mut feed = watch(&server, run - 1).await;
        server.pay(run, 500).await;
        let event = next(&mut feed).await;
        assert_eq!((event.event_id, event.order_id), (run, run));
        server.running.stop().await.unwrap();
        assert_eq!(feed.message().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_drain_ends_the_feed_cleanly_and_an_id_from_the_future_finds_nothing() {
    let server = start(Scripted::new(&[], &[]), PATIENT).await;
    server.pay(1, 500).await;
    let mut feeds = Vec::new();
    for after in [1, 2, 1 << 53, u64::MAX] {
        feeds.push(watch(&server, after).await);
    }
    server.running.stop().await.unwrap();
    for mut feed in feeds {
        assert_eq!(feed.message().await.unwrap(), None);
    }
}
