//! Proves that paying charges once, whoever asks, however many at once and whatever the gateway
//! does to the answer; and that everybody hears the truth, in his language.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use payment::gateway::{MockConfig, MockGateway, Rate};
use tonic::Code;

use crate::scripted::{Say, Scripted};
use crate::server::{HASTY, PATIENT, in_english, new_home, open, pay_request, start, start_on};

const PENDING: i32 = 1;
const PAID: i32 = 2;
const FAILED: i32 = 4;

#[tokio::test]
async fn a_payment_succeeds_and_a_repeat_hears_the_same_number() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    let first = server.pay(1, 25_700).await;
    assert_eq!((first.code, first.message.as_str()), (0, "支付成功"));
    let digits = first.payment_no.strip_prefix("PAY").unwrap();
    assert!(
        digits.len() >= 20 && digits.bytes().all(|b| b.is_ascii_digit()),
        "{digits}"
    );
    assert!(first.payment_no.len() <= 32);
    assert_eq!(first.third_party_no, format!("MOCK{}", first.payment_no));

    let again = server.pay(1, 25_700).await;
    assert_eq!((again.code, again.message.as_str()), (0, "订单已支付"));
    assert_eq!(again.payment_no, first.payment_no);
    assert_eq!(again.third_party_no, first.third_party_no);

    let payment = server.payment(1).await;
    assert_eq!(
        (payment.status, payment.amount, payment.order_id),
        (PAID, 25_700, 1)
    );
    assert_eq!(payment.payment_no, first.payment_no);
    assert_eq!(payment.third_party_no, first.third_party_no);
    assert_eq!(payment.payment_method, "mock");
    assert!(payment.id >= 1 && payment.created_at > 1_700_000_000);
    assert!(payment.updated_at >= payment.created_at);
    assert_eq!(gateway.charge_calls(), 1);
}

#[tokio::test]
async fn an_english_caller_hears_english() {
    let gateway = Scripted::new(&[Say::No, Say::Yes], &[]);
    let server = start(gateway, PATIENT).await;
    let mut texts = Vec::new();
    for _ in 0..3 {
        let reply = server
            .client
            .clone()
            .pay(in_english(pay_request(1, 500)))
            .await
            .unwrap();
        texts.push(reply.into_inner().message);
    }
    assert_eq!(
        texts,
        ["payment refused (mock)", "paid", "order already paid"]
    );
}

#[tokio::test]
async fn a_refused_payment_may_be_tried_again_as_a_new_attempt() {
    let gateway = Scripted::new(&[Say::No, Say::No, Say::Yes], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    let refused = server.pay(1, 500).await;
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (1, "支付失败（Mock）")
    );
    assert_eq!(
        (refused.payment_no.as_str(), refused.third_party_no.as_str()),
        ("", "")
    );
    let first = server.payment(1).await;
    assert_eq!(
        (first.status, first.amount, first.third_party_no.as_str()),
        (FAILED, 500, "")
    );

    assert_eq!(server.pay(1, 900).await.code, 1);
    let second = server.payment(1).await;
    assert_eq!(
        (second.status, second.amount),
        (FAILED, 900),
        "the new amount"
    );
    assert_ne!(
        second.payment_no, first.payment_no,
        "a new try, a new number"
    );
    assert_eq!(second.id, first.id, "one row an order");

    let paid = server.pay(1, 700).await;
    assert_eq!(paid.code, 0);
    let third = server.payment(1).await;
    assert_eq!((third.status, third.amount), (PAID, 700));
    assert_eq!(third.payment_no, paid.payment_no);
    assert_eq!(gateway.fen_held(1), 700);
}

#[tokio::test]
async fn another_amount_on_a_paid_order_changes_nothing() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    let paid = server.pay(1, 500).await;
    let other = server.pay(1, 999).await;
    assert_eq!((other.code, other.message.as_str()), (0, "订单已支付"));
    assert_eq!(other.payment_no, paid.payment_no);
    assert_eq!(server.payment(1).await.amount, 500);
    assert_eq!(gateway.fen_held(1), 500);
}

#[tokio::test]
async fn thirty_two_who_pay_at_once_charge_once_and_hear_the_same() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    gateway.hold();
    let all = join_all((0..32).map(|_| server.pay(1, 500)));
    let release = async {
        server.pays_begun(32).await;
        gateway.release();
    };
    let (replies, ()) = tokio::join!(all, release);
    let heard: BTreeSet<_> = replies
        .iter()
        .map(|r| (r.code, r.message.as_str(), r.payment_no.as_str()))
        .collect();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(
        heard.first().map(|(code, text, _)| (*code, *text)),
        Some((0, "支付成功"))
    );
    assert_eq!(gateway.charge_calls(), 1);
    assert_eq!(gateway.times_charged(1), 1);
}

#[tokio::test]
async fn all_who_wait_for_a_refused_payment_hear_the_refusal() {
    let gateway = Scripted::new(&[Say::No], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    gateway.hold();
    let all = join_all((0..8).map(|_| server.pay(1, 500)));
    let release = async {
        server.pays_begun(8).await;
        gateway.release();
    };
    let (replies, ()) = tokio::join!(all, release);
    assert!(replies.iter().all(|reply| reply.code == 1));
    assert_eq!(gateway.charge_calls(), 1);
}

#[tokio::test]
async fn one_who_waits_with_another_amount_hears_already_paid_or_tries_his_own() {
    for (script, expected) in [
        (Say::Yes, (0, "订单已支付", 500)),
        (Say::No, (0, "支付成功", 900)),
    ] {
        let gateway = Scripted::new(&[script], &[]);
        let server = start(gateway.clone(), PATIENT).await;
        gateway.hold();
        let first = server.pay(1, 500);
        let second = async {
            server.pays_begun(1).await;
            server.pay(1, 900).await
        };
        let release = async {
            server.pays_begun(2).await;
            gateway.release();
        };
        let (_, second, ()) = tokio::join!(first, second, release);
        let (code, text, fen) = expected;
        assert_eq!((second.code, second.message.as_str()), (code, text));
        assert_eq!((gateway.fen_held(1), gateway.times_charged(1)), (fen, 1));
    }
}

#[tokio::test]
async fn two_replicas_charge_once_and_both_hear_of_it() {
    let home = new_home().await;
    let gateway = Scripted::new(&[], &[]);
    let one = start_on(open(&home).await, gateway.clone(), PATIENT).await;
    let two = start_on(open(&home).await, gateway.clone(), PATIENT).await;
    gateway.hold();
    let first = one.pay(1, 500);
    let second = async {
        one.pays_begun(1).await;
        two.pay(1, 500).await
    };
    let release = async {
        two.pays_begun(1).await;
        gateway.release();
    };
    let (first, second, ()) = tokio::join!(first, second, release);
    assert_eq!(first, second);
    assert_eq!((first.code, gateway.charge_calls()), (0, 1));
}

#[tokio::test]
async fn a_charge_that_never_answers_is_settled_by_asking() {
    // The gateway charged, but its answer is lost; it never heard of the charge.
    for (script, times_charged) in [(&[Say::YesUnheard][..], 1), (&[Say::Nothing, Say::Yes], 1)] {
        let gateway = Scripted::new(script, &[]);
        let server = start(gateway.clone(), HASTY).await;
        let reply = server.pay(1, 500).await;
        assert_eq!(
            (reply.code, reply.message.as_str()),
            (0, "支付成功"),
            "{script:?}"
        );
        assert_eq!(gateway.times_charged(1), times_charged);
        assert_eq!(gateway.fen_held(1), 500);
    }
}

#[tokio::test]
async fn a_charge_that_never_arrived_is_made_again_under_the_same_number() {
    let gateway = Scripted::new(&[Say::Broken, Say::Broken, Say::Nothing, Say::Yes], &[]);
    let server = start(gateway.clone(), HASTY).await;
    let paid = server.pay(1, 500).await;
    assert_eq!(paid.code, 0);
    assert_eq!(gateway.charge_calls(), 4);
    assert_eq!(gateway.times_charged(1), 1);
    assert_eq!(server.payment(1).await.payment_no, paid.payment_no);
}

#[tokio::test]
async fn a_caller_whose_deadline_passes_is_told_nothing_is_certain_and_the_payment_goes_on() {
    let gateway = Scripted::new(&[Say::YesUnheard], &[]);
    gateway.set_deaf(true);
    let server = start(gateway.clone(), HASTY).await;
    let status = server
        .pay_within(1, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let open = server.payment(1).await;
    assert_eq!(open.status, PENDING, "unknown is not failed");
    assert!(open.payment_no.starts_with("PAY"));

    gateway.set_deaf(false);
    let paid = server.payment_becomes(1, PAID).await;
    assert_eq!(paid.payment_no, open.payment_no);
    let again = server.pay(1, 500).await;
    assert_eq!((again.code, again.message.as_str()), (0, "订单已支付"));
    assert_eq!(gateway.times_charged(1), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_a_payment_that_is_settled() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    gateway.hold();
    let mut client = server.client.clone();
    tokio::select! {
        _ = client.pay(pay_request(1, 500)) => panic!("the gateway is held"),
        () = server.pays_begun(1) => {}
    }
    drop(client);
    gateway.release();
    server.payment_becomes(1, PAID).await;
    assert_eq!(gateway.times_charged(1), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_before_the_gateway_is_asked_leaves_a_payment_that_is_settled() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    server.store.hold_pays();
    // Without a socket between them, whoever goes away takes his handler with him at once.
    let mut client = server.direct.clone();
    tokio::select! {
        _ = client.pay(pay_request(1, 500)) => panic!("the word of it is held back"),
        () = server.pays_begun(1) => {}
    }
    server.store.answer_pays();
    server.payment_becomes(1, PAID).await;
    assert_eq!(gateway.times_charged(1), 1);
}

#[tokio::test]
async fn the_mock_keeps_its_word_when_it_hangs_and_when_it_loses_answers() {
    let rates = [(Rate::ALWAYS, Rate::NEVER), (Rate::NEVER, Rate::ALWAYS)];
    for (hang_rate, lose_answer_rate) in rates {
        let gateway = MockGateway::new(MockConfig {
            success_rate: "0.5".parse().unwrap(),
            seed: 42,
            latency: Duration::from_millis(1),
            hang_rate,
            lose_answer_rate,
        });
        let server = start(Arc::new(gateway), HASTY).await;
        let replies = join_all((1..=40).map(|order| server.pay(order, 500))).await;
        for (order, reply) in (1..).zip(&replies) {
            let status = server.payment(order).await.status;
            assert_eq!(status, if reply.code == 0 { PAID } else { FAILED });
        }
        // Numbers follow the clock, so luck differs from run to run; but not for all 40 at once.
        let paid = replies.iter().filter(|reply| reply.code == 0).count();
        assert!((1..40).contains(&paid), "{paid} of 40 at a rate of 0.5");
    }
}
