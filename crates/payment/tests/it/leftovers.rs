//! Proves that what a crash leaves behind is settled by whoever runs next: a row that was written
//! before the gateway was asked, a charge whose answer nobody wrote down, a refund half done.

use std::sync::Arc;
use std::time::Duration;

use payment::domain::{
    BeginPay, BeginRefund, ChargeResult, Method, Op, SettleCharge, ThirdPartyNo,
};
use payment::gateway::{ChargeRequest, PaymentGateway};
use payment::store::Store;
use platform::clock::{Clock, ManualClock};
use testkit::TestDatabase;
use tonic_types::StatusExt;
use types::{Fen, OrderId, PaymentNo, UnixMillis};

use crate::scripted::{Say, Scripted};
use crate::server::{
    Fault, HASTY, PATIENT, Server, Step, find_record, new_home, open, start, start_at, start_on,
};

const CRASHED_AT: UnixMillis = UnixMillis::new(1_795_355_045_000);
const LEASE: Duration = Duration::from_secs(5);

const PENDING: i32 = 1;
const PAID: i32 = 2;
const REFUNDED: i32 = 3;
const FAILED: i32 = 4;

fn number() -> PaymentNo {
    // Far from the serials that the service hands out itself.
    PaymentNo::generate(CRASHED_AT, 777_777)
}

fn order() -> OrderId {
    OrderId::new(1).unwrap()
}

fn amount() -> Fen {
    Fen::amount(500).unwrap()
}

/// Writes as a process does that is gone afterwards.
async fn write(home: &TestDatabase, ops: Vec<Op>) {
    let store = open(home).await;
    store.apply(ops.into()).await.unwrap();
    store.close().await;
}

/// What a process writes before it asks the gateway to charge, and then dies.
async fn leave_a_charge(home: &TestDatabase) {
    let op = Op::BeginPay(BeginPay {
        order_id: order(),
        amount: amount(),
        method: Method::parse("mock").unwrap(),
        id: 777_777,
        payment_no: number(),
        now: CRASHED_AT,
        check_at: CRASHED_AT.plus(LEASE),
    });
    write(home, vec![op]).await;
}

/// What a process writes before it asks the gateway for a refund, and then dies.
async fn leave_a_refund(home: &TestDatabase, gateway: &Scripted) {
    leave_a_charge(home).await;
    charge_at(gateway).await;
    let third_party_no = ThirdPartyNo::mock(&number());
    let settle = Op::SettleCharge(SettleCharge {
        order_id: order(),
        payment_no: number(),
        result: ChargeResult::Charged { third_party_no },
        now: CRASHED_AT,
    });
    let check_at = CRASHED_AT.plus(LEASE);
    let refund = Op::BeginRefund(BeginRefund {
        order_id: order(),
        now: CRASHED_AT,
        check_at,
    });
    write(home, vec![settle, refund]).await;
}

/// The charge that the dead process made.
async fn charge_at(gateway: &Scripted) {
    let request = ChargeRequest {
        payment_no: number(),
        order_id: order(),
        amount: amount(),
    };
    gateway.charge(&request).await;
}

/// Starts the service when the lease of the dead process is over.
async fn start_later(home: &TestDatabase, gateway: Arc<Scripted>) -> Server {
    let clock = ManualClock::new(CRASHED_AT.plus(LEASE));
    start_at(clock, open(home).await, gateway, HASTY).await
}

#[tokio::test]
async fn a_charge_that_was_made_before_the_crash_is_found_and_not_made_again() {
    for (script, status) in [(Say::Yes, PAID), (Say::No, FAILED)] {
        let (home, gateway) = (new_home().await, Scripted::new(&[script], &[]));
        leave_a_charge(&home).await;
        charge_at(&gateway).await;
        let server = start_later(&home, gateway.clone()).await;
        let payment = server.payment_becomes(1, status).await;
        assert_eq!(payment.payment_no, number().as_str());
        assert_eq!(gateway.charge_calls(), 1);
    }
}

#[tokio::test]
async fn a_charge_that_never_went_out_is_made_under_its_own_number() {
    let (home, gateway) = (new_home().await, Scripted::new(&[], &[]));
    leave_a_charge(&home).await;
    let server = start_later(&home, gateway.clone()).await;
    let payment = server.payment_becomes(1, PAID).await;
    assert_eq!(payment.payment_no, number().as_str());
    assert_eq!(payment.third_party_no, format!("MOCK{}", number()));
    assert_eq!(gateway.times_charged(1), 1);
}

#[tokio::test]
async fn a_refund_that_was_under_way_is_finished() {
    let (home, gateway) = (new_home().await, Scripted::new(&[], &[]));
    leave_a_refund(&home, &gateway).await;
    let server = start_later(&home, gateway.clone()).await;
    server.payment_becomes(1, REFUNDED).await;
    assert_eq!((gateway.refund_calls(), gateway.fen_held(1)), (1, 0));
    assert_eq!(server.refund(1).await.refund_no, format!("REF{}", number()));
}

#[tokio::test]
async fn nobody_takes_up_an_attempt_before_its_lease_is_over() {
    let (home, gateway) = (new_home().await, Scripted::new(&[], &[]));
    leave_a_charge(&home).await;
    let clock = ManualClock::new(CRASHED_AT.plus(LEASE).minus(Duration::from_millis(1)));
    let server = start_at(clock.clone(), open(&home).await, gateway.clone(), HASTY).await;
    // Another order goes through meanwhile, so the worker had its chance.
    assert_eq!(server.pay(2, 500).await.code, 0);
    assert_eq!(server.payment(1).await.status, PENDING);
    clock.advance(Duration::from_millis(1));
    server.payment_becomes(1, PAID).await;
}

#[tokio::test]
async fn a_pay_that_finds_a_leftover_waits_for_it_and_hears_its_end() {
    let (home, gateway) = (new_home().await, Scripted::new(&[], &[]));
    leave_a_charge(&home).await;
    let clock = ManualClock::new(CRASHED_AT);
    let server = start_at(clock.clone(), open(&home).await, gateway.clone(), HASTY).await;
    let ours = server.pay(1, 500);
    let time = async {
        server.pays_begun(1).await;
        clock.advance(LEASE);
    };
    let (reply, ()) = tokio::join!(ours, time);
    assert_eq!(
        (reply.code, reply.payment_no.as_str()),
        (0, number().as_str())
    );
    assert_eq!(gateway.times_charged(1), 1);
}

#[tokio::test]
async fn of_two_replicas_that_see_a_leftover_one_takes_it() {
    let (home, gateway) = (new_home().await, Scripted::new(&[], &[]));
    let clock = ManualClock::new(CRASHED_AT.plus(LEASE));
    let one = start_at(clock.clone(), open(&home).await, gateway.clone(), PATIENT).await;
    let two = start_at(clock, open(&home).await, gateway.clone(), PATIENT).await;
    one.store.hold_dues();
    two.store.hold_dues();
    leave_a_charge(&home).await;
    testkit::eventually("both to see it", async || {
        (one.store.dues_listed() == 1 && two.store.dues_listed() == 1).then_some(())
    })
    .await;
    one.store.give_dues();
    two.store.give_dues();
    one.payment_becomes(1, PAID).await;
    // Whatever the other one began is over once both have stopped.
    one.running.stop().await.unwrap();
    two.running.stop().await.unwrap();
    assert_eq!((gateway.query_calls(), gateway.charge_calls()), (1, 1));
}

#[tokio::test]
async fn an_attempt_in_doubt_is_asked_about_by_the_timetable_and_not_before() {
    let gateway = Scripted::new(&[Say::YesUnheard], &[]);
    gateway.set_deaf(true);
    let clock = ManualClock::new(CRASHED_AT);
    let home = new_home().await;
    let server = start_at(clock.clone(), open(&home).await, gateway.clone(), HASTY).await;
    server
        .pay_within(1, Duration::from_secs(1))
        .await
        .unwrap_err();
    for round in 1..=3 {
        let next = clock.now().plus(Duration::from_millis(200));
        testkit::eventually("the next round to be put off", async || {
            let record = find_record(&*server.store, 1).await?;
            (record.attempt.next_check_at == Some(next)).then_some(())
        })
        .await;
        assert_eq!(gateway.query_calls(), round);
        clock.set(next);
    }
    gateway.set_deaf(false);
    clock.advance(LEASE);
    server.payment_becomes(1, PAID).await;
}

#[tokio::test]
async fn a_gateway_that_is_out_of_order_for_a_while_loses_nothing() {
    let broken = [Say::Broken; 8];
    let gateway = Scripted::new(&broken, &[]);
    let home = new_home().await;
    let server = start_on(open(&home).await, gateway.clone(), HASTY).await;
    let orders = [1, 2, 3, 4];
    let replies = futures::future::join_all(orders.map(|order| server.pay(order, 500))).await;
    assert!(replies.iter().all(|reply| reply.code == 0));
    for order in orders {
        assert_eq!(
            (gateway.times_charged(order), gateway.fen_held(order)),
            (1, 500)
        );
    }
}

#[tokio::test]
async fn a_payment_that_cannot_be_written_down_is_unavailable_and_charges_nobody() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    server.store.fail(Step::Begin, Fault::NotApplied);
    let status = server.pay_within(1, PATIENT).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(
        status.get_details_retry_info().is_some(),
        "a repeat does no harm"
    );
    assert_eq!(gateway.charge_calls(), 0);
    assert_eq!(server.get_status(1).await.payment, None);
    assert_eq!(server.pay(1, 500).await.code, 0);
}

#[tokio::test]
async fn an_attempt_whose_beginning_went_unheard_is_settled_when_its_lease_is_over() {
    let gateway = Scripted::new(&[], &[]);
    let clock = ManualClock::new(CRASHED_AT);
    let home = new_home().await;
    let server = start_at(clock.clone(), open(&home).await, gateway.clone(), HASTY).await;
    server.store.fail(Step::Begin, Fault::AppliedUnheard);
    let status = server.pay_within(1, PATIENT).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(server.payment(1).await.status, PENDING);
    clock.advance(LEASE);
    server.payment_becomes(1, PAID).await;
    assert_eq!((gateway.times_charged(1), gateway.charge_calls()), (1, 1));
}

#[tokio::test]
async fn the_gateways_word_is_written_again_until_it_is_known_to_be_there() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    for fault in [Fault::NotApplied, Fault::AppliedUnheard, Fault::NotApplied] {
        server.store.fail(Step::Settle, fault);
    }
    let paid = server.pay(1, 500).await;
    assert_eq!((paid.code, paid.message.as_str()), (0, "支付成功"));
    server.store.fail(Step::Settle, Fault::AppliedUnheard);
    assert_eq!(server.refund(1).await.code, 0);
    assert_eq!((gateway.charge_calls(), gateway.refund_calls()), (1, 1));
    let events = server.store.list_events(0, 10).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| event.status.number()).collect();
    assert_eq!(told, [PAID, REFUNDED], "each change is told once");
}
