//! Proves that a malformed request is refused with every bad field named, changes nothing, and
//! that a question about nothing has an answer.

use api::payment::v1::{GetPaymentStatusRequest, PayRequest, RefundRequest};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::scripted::Scripted;
use crate::server::{PATIENT, in_english, start};

const ID_MAX: u64 = 1 << 53;
const FEN_MAX: i64 = 1_000_000_000_000_000;

fn fields_of(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let bad_request = status.get_details_bad_request().unwrap();
    bad_request
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test]
async fn a_malformed_pay_names_each_bad_field() {
    let gateway = Scripted::new(&[], &[]);
    let server = start(gateway.clone(), PATIENT).await;
    let cases: [(u64, i64, &str, &[&str]); 11] = [
        (0, 500, "mock", &["order_id"]),
        (ID_MAX + 1, 500, "mock", &["order_id"]),
        (u64::MAX, 500, "mock", &["order_id"]),
        (1, 0, "mock", &["amount"]),
        (1, -1, "mock", &["amount"]),
        (1, FEN_MAX + 1, "mock", &["amount"]),
        (1, i64::MIN, "mock", &["amount"]),
        (1, 500, "", &["payment_method"]),
        (1, 500, "alipay", &["payment_method"]),
        (1, 500, "MOCK", &["payment_method"]),
        (0, 0, "m\0ck", &["order_id", "amount", "payment_method"]),
    ];
    for (order_id, amount, method, expected) in cases {
        let request = PayRequest {
            order_id,
            amount,
            payment_method: method.to_owned(),
        };
        let status = server.client.clone().pay(request).await.unwrap_err();
        assert_eq!(fields_of(&status), expected);
    }
    assert_eq!(gateway.charge_calls(), 0);
    assert_eq!(server.get_status(1).await.payment, None);
}

#[tokio::test]
async fn the_largest_order_id_and_amount_are_fine_and_the_method_is_trimmed() {
    let server = start(Scripted::new(&[], &[]), PATIENT).await;
    let payment_method = " mock ".to_owned();
    let request = PayRequest {
        order_id: ID_MAX,
        amount: FEN_MAX,
        payment_method,
    };
    assert_eq!(
        server
            .client
            .clone()
            .pay(request)
            .await
            .unwrap()
            .into_inner()
            .code,
        0
    );
    let payment = server.payment(ID_MAX).await;
    assert_eq!((payment.order_id, payment.amount), (ID_MAX, FEN_MAX));
    assert_eq!(payment.payment_method, "mock");
}

#[tokio::test]
async fn a_bad_order_id_is_named_by_the_other_methods_too() {
    let server = start(Scripted::new(&[], &[]), PATIENT).await;
    for order_id in [0, ID_MAX + 1] {
        let mut client = server.client.clone();
        let get = client
            .get_payment_status(GetPaymentStatusRequest { order_id })
            .await;
        assert_eq!(fields_of(&get.unwrap_err()), ["order_id"]);
        let refund = client.refund(RefundRequest { order_id }).await;
        assert_eq!(fields_of(&refund.unwrap_err()), ["order_id"]);
    }
}

#[tokio::test]
async fn an_order_that_was_never_paid_has_no_payment() {
    let server = start(Scripted::new(&[], &[]), PATIENT).await;
    let reply = server.get_status(7).await;
    assert_eq!((reply.code, reply.message.as_str()), (1, "支付记录不存在"));
    assert_eq!(reply.payment, None);
    let request = in_english(GetPaymentStatusRequest { order_id: 7 });
    let english = server
        .client
        .clone()
        .get_payment_status(request)
        .await
        .unwrap();
    assert_eq!(english.into_inner().message, "no such payment");
}
