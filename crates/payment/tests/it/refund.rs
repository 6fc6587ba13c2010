//! Proves that money goes back once, wholly and only where it is ours, and that a refund in doubt
//! leaves the payment PAID until the gateway has spoken.

use std::time::Duration;

use api::payment::v1::RefundRequest;
use futures::future::join_all;
use tonic::{Code, Request};

use crate::scripted::{Say, Scripted};
use crate::server::{HASTY, PATIENT, in_english, start};

const PAID: i32 = 2;
const REFUNDED: i32 = 3;

#[tokio::test]
async fn a_refund_gives_the_money_back_and_a_repeat_says_that_it_did() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    let paid = server.pay(1, 500).await;
    let refunded = server.refund(1).await;
    assert_eq!((refunded.code, refunded.message.as_str()), (0, "退款成功"));
    assert_eq!(refunded.refund_no, format!("REF{}", paid.payment_no));
    let payment = server.payment(1).await;
    assert_eq!((payment.status, payment.amount), (REFUNDED, 500));
    assert_eq!(payment.third_party_no, paid.third_party_no);

    let again = server.refund(1).await;
    assert_eq!(
        (again.code, again.message.as_str()),
        (1, "订单未支付或已退款")
    );
    assert_eq!(again.refund_no, refunded.refund_no);
    assert_eq!((gateway.fen_held(1), gateway.refund_calls()), (0, 1));
}

#[tokio::test]
async fn there_is_nothing_to_refund_where_nothing_was_paid() {
    let gateway = Scripted::new(&[Say::No], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    let unknown = server.refund(1).await;
    assert_eq!(
        (unknown.code, unknown.message.as_str()),
        (1, "支付记录不存在")
    );
    server.pay(1, 500).await;
    let refused = server.refund(1).await;
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (1, "订单未支付或已退款")
    );
    assert_eq!(refused.refund_no, "");
    assert_eq!(gateway.refund_calls(), 0);
}

#[tokio::test]
async fn an_english_caller_hears_english() {
    let server = start(Scripted::new(&[], &[]), PATIENT).await;
    let mut texts = Vec::new();
    for pay_first in [false, true, false] {
        if pay_first {
            server.pay(1, 500).await;
        }
        let request = in_english(RefundRequest { order_id: 1 });
        texts.push(
            server
                .client
                .clone()
                .refund(request)
                .await
                .unwrap()
                .into_inner()
                .message,
        );
    }
    let expected = [
        "no such payment",
        "refunded",
        "order not paid or already refunded",
    ];
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn a_refunded_order_cannot_be_paid_again() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    server.pay(1, 500).await;
    server.refund(1).await;
    let reply = server.pay(1, 500).await;
    assert_eq!((reply.code, reply.message.as_str()), (1, "订单已退款"));
    let english = server
        .client
        .clone()
        .pay(in_english(crate::server::pay_request(1, 500)))
        .await;
    assert_eq!(english.unwrap().into_inner().message, "order was refunded");
    assert_eq!(gateway.charge_calls(), 1);
}

#[tokio::test]
async fn thirty_two_who_ask_at_once_give_the_money_back_once() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    server.pay(1, 500).await;
    let replies = join_all((0..32).map(|_| server.refund(1))).await;
    let done = replies.iter().filter(|reply| reply.code == 0).count();
    assert!(
        done >= 1,
        "whoever came later hears that it was done before"
    );
    assert!(
        replies
            .iter()
            .all(|reply| reply.refund_no == replies.first().unwrap().refund_no)
    );
    assert_eq!((gateway.refund_calls(), gateway.fen_held(1)), (1, 0));
}

#[tokio::test]
async fn a_refund_under_way_is_not_begun_again_and_all_hear_its_number() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    server.pay(1, 500).await;
    gateway.hold();
    let asking = join_all((0..8).map(|_| server.refund(1)));
    let waiting = async {
        testkit::eventually("the gateway to be asked", async || {
            (gateway.refund_calls() == 1).then_some(())
        })
        .await;
        assert_eq!(
            server.payment(1).await.status,
            PAID,
            "still ours until it is certain"
        );
        gateway.release();
    };
    let (replies, ()) = tokio::join!(asking, waiting);
    assert!(
        replies
            .iter()
            .all(|reply| reply.refund_no.starts_with("REFPAY"))
    );
    assert_eq!(gateway.refund_calls(), 1);
}

#[tokio::test]
async fn a_refund_that_the_gateway_refuses_leaves_the_payment_paid() {
    let gateway = Scripted::new(&[], &[Say::No]);
    let server = start(gateway.clone(), PATIENT).await;
    server.pay(1, 500).await;
    let refused = server.refund(1).await;
    assert_eq!((refused.code, refused.refund_no.as_str()), (1, ""));
    assert_eq!(
        refused.message,
        api::message(types::Code::RefundRefused, types::Locale::Zh)
    );
    assert_eq!(server.payment(1).await.status, PAID);
    assert_eq!(server.refund(1).await.code, 0, "it may be asked for again");
    assert_eq!(gateway.fen_held(1), 0);
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_asked_for_again_under_the_same_number() {
    for script in [Say::YesUnheard, Say::Nothing, Say::Broken] {
        let gateway = Scripted::new(&[], &[script]);
        let server = start(gateway.clone(), HASTY).await;
        let paid = server.pay(1, 500).await;
        let refunded = server.refund(1).await;
        assert_eq!(
            (refunded.code, refunded.message.as_str()),
            (0, "退款成功"),
            "{script:?}"
        );
        assert_eq!(refunded.refund_no, format!("REF{}", paid.payment_no));
        assert_eq!((gateway.refund_calls(), gateway.fen_held(1)), (2, 0));
    }
}

#[tokio::test]
async fn a_caller_whose_deadline_passes_leaves_a_refund_that_is_settled() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    server.pay(1, 500).await;
    gateway.hold();
    let mut request = Request::new(RefundRequest { order_id: 1 });
    request.set_timeout(Duration::from_secs(1));
    let status = server.direct.clone().refund(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(server.payment(1).await.status, PAID);
    gateway.release();
    server.payment_becomes(1, REFUNDED).await;
}
