use api::payment::v1::payment_service_client::PaymentServiceClient;
use api::payment::v1::{
    GetPaymentStatusRequest, PayRequest, Payment, PaymentEvent, RefundRequest, WatchPaymentsRequest,
};
use async_trait::async_trait;
use futures::StreamExt;
use platform::context::CallContext;
use platform::crash;
use platform::deadline::Deadline;
use platform::net::{CallError, Transport, call};
use tonic::{Code, Status};
use types::{Fen, OrderId, PaymentNo, PaymentStatus, UnixMillis};

use super::{
    CALL_LIMIT, Charge, Effect, PaymentClient, PaymentFeed, PaymentState, Unanswered, nonsense,
    unanswered,
};
use crate::domain::{FeedEvent, Receipt};

const SERVICE: &str = "payment";
/// The longest number of a gateway that is kept, in characters.
const THIRD_PARTY_CHARS_MAX: usize = 64;

/// Payment over gRPC.
#[derive(Clone)]
pub struct PaymentGrpc(PaymentServiceClient<Transport>);

impl PaymentGrpc {
    /// The payment service behind `transport`.
    pub fn new(transport: Transport) -> Self {
        Self(PaymentServiceClient::new(transport))
    }
}

#[async_trait]
impl PaymentClient for PaymentGrpc {
    async fn pay(
        &self,
        context: &CallContext,
        order_id: OrderId,
        amount: Fen,
        method: &str,
    ) -> Charge {
        let message = PayRequest {
            order_id: order_id.get(),
            amount: amount.get(),
            payment_method: method.to_owned(),
        };
        let mut client = self.0.clone();
        let reply = call(context, CALL_LIMIT, message, |request| async move {
            client.pay(request).await
        })
        .await;
        match reply {
            Ok(reply) if reply.code == 0 => Charge::Paid,
            Ok(_) => Charge::Refused,
            // The id and the amount come from an order and are always valid: it is the method.
            Err(CallError::Rejected(status)) if status.code() == Code::InvalidArgument => {
                Charge::NoSuchMethod
            }
            Err(error) => Charge::Unknown(unanswered(SERVICE, error)),
        }
    }

    async fn read_payment(
        &self,
        context: &CallContext,
        order_id: OrderId,
    ) -> Result<Option<PaymentState>, Unanswered> {
        let message = GetPaymentStatusRequest {
            order_id: order_id.get(),
        };
        let mut client = self.0.clone();
        let reply = call(context, CALL_LIMIT, message, |request| async move {
            client.get_payment_status(request).await
        })
        .await
        .map_err(|error| unanswered(SERVICE, error))?;
        // A refusal says that there never was a payment, and carries none.
        reply.payment.map(read_state).transpose()
    }

    async fn refund(&self, context: &CallContext, order_id: OrderId) -> Effect {
        let message = RefundRequest {
            order_id: order_id.get(),
        };
        let mut client = self.0.clone();
        let reply = call(context, CALL_LIMIT, message, |request| async move {
            client.refund(request).await
        })
        .await;
        match reply {
            // A refusal that names a refund says that the money had been given back before.
            Ok(reply) if reply.code == 0 || !reply.refund_no.is_empty() => Effect::Done,
            Ok(reply) => Effect::Refused(format!("{} {}", reply.code, reply.message)),
            Err(CallError::Rejected(status)) => Effect::Refused(status.to_string()),
            Err(error @ CallError::Unknown { .. }) => Effect::Unknown(unanswered(SERVICE, error)),
        }
    }

    async fn watch(&self, after_event_id: u64) -> Result<PaymentFeed, Unanswered> {
        let mut client = self.0.clone();
        // Only the beginning has a deadline: the feed itself has no end.
        let opening = Deadline::after(CALL_LIMIT)
            .within(client.watch_payments(WatchPaymentsRequest { after_event_id }));
        match crash::around("WatchPaymentsRequest", opening).await {
            Ok(Ok(reply)) => Ok(reply.into_inner().map(read_event).boxed()),
            Ok(Err(status)) => Err(broken_off(&status)),
            Err(passed) => Err(Unanswered {
                service: SERVICE,
                reason: passed.to_string(),
                late: true,
            }),
        }
    }
}

fn broken_off(status: &Status) -> Unanswered {
    Unanswered {
        service: SERVICE,
        reason: status.to_string(),
        late: false,
    }
}

fn read_state(payment: Payment) -> Result<PaymentState, Unanswered> {
    let third_party_no = Some(payment.third_party_no)
        .filter(|no| !no.is_empty() && no.chars().count() <= THIRD_PARTY_CHARS_MAX);
    Ok(PaymentState {
        receipt: Receipt {
            payment_no: read_payment_no(&payment.payment_no)?,
            third_party_no,
            amount: Fen::stored(payment.amount),
        },
        status: read_status(payment.status)?,
    })
}

fn read_event(event: Result<PaymentEvent, Status>) -> Result<FeedEvent, Unanswered> {
    let event = event.map_err(|status| broken_off(&status))?;
    let order_id = OrderId::new(event.order_id);
    Ok(FeedEvent {
        event_id: event.event_id,
        order_id: order_id.ok_or_else(|| nonsense(SERVICE, "a bad order id"))?,
        payment_no: read_payment_no(&event.payment_no)?,
        amount: Fen::stored(event.amount),
        status: read_status(event.status)?,
        created_at: UnixMillis::new(event.created_at.saturating_mul(1000)),
    })
}

fn read_payment_no(text: &str) -> Result<PaymentNo, Unanswered> {
    PaymentNo::parse(text).ok_or_else(|| nonsense(SERVICE, "a bad payment number"))
}

fn read_status(number: i32) -> Result<PaymentStatus, Unanswered> {
    PaymentStatus::from_number(i64::from(number)).ok_or_else(|| nonsense(SERVICE, "a bad status"))
}
