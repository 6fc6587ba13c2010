//! The wire: decode, call the use case, encode. No rule lives here.

use std::sync::Arc;

use api::Reply;
use api::payment::v1::payment_service_server::PaymentService;
use api::payment::v1::{
    GetPaymentStatusRequest, GetPaymentStatusResponse, PayRequest, PayResponse, Payment,
    PaymentEvent, RefundRequest, RefundResponse, WatchPaymentsRequest,
};
use futures::stream::{BoxStream, StreamExt};
use platform::context::CallContext;
use platform::error::{Repeat, respond, status};
use tonic::{Request, Response, Status};
use types::{AMOUNT_FEN_MAX, Code, Fen, ID_MAX, Locale, OrderId, Violations};

use crate::app::{self, PayAnswer, Payments, RefundAnswer};
use crate::domain::{self, Method, ThirdPartyNo};
use crate::error::PaymentError;

/// The gRPC front end of the service.
pub(crate) struct Grpc {
    payments: Arc<Payments>,
}

impl Grpc {
    pub(crate) const fn new(payments: Arc<Payments>) -> Self {
        Self { payments }
    }

    async fn do_pay(
        &self,
        context: &CallContext,
        request: &PayRequest,
    ) -> Result<PayResponse, PaymentError> {
        let request = self.read_pay(request).map_err(PaymentError::Malformed)?;
        let answer = self.payments.pay(&request, context.deadline).await?;
        Ok(write_pay(answer, context.locale))
    }

    async fn do_get_status(
        &self,
        context: &CallContext,
        request: &GetPaymentStatusRequest,
    ) -> Result<GetPaymentStatusResponse, PaymentError> {
        let order_id = read_order_id(request.order_id).map_err(PaymentError::Malformed)?;
        let payment = self
            .payments
            .find_payment(order_id, context.deadline)
            .await?;
        let payment = Some(write_payment(payment));
        Ok(GetPaymentStatusResponse {
            payment,
            ..Default::default()
        })
    }

    async fn do_refund(
        &self,
        context: &CallContext,
        request: &RefundRequest,
    ) -> Result<RefundResponse, PaymentError> {
        let order_id = read_order_id(request.order_id).map_err(PaymentError::Malformed)?;
        let answer = self.payments.refund(order_id, context.deadline).await?;
        Ok(write_refund(&answer, context.locale))
    }

    fn read_pay(&self, request: &PayRequest) -> Result<app::PayRequest, Violations> {
        let mut violations = Violations::default();
        let order_id =
            violations.require("order_id", OrderId::new(request.order_id), &order_id_rule());
        let amount = violations.require("amount", Fen::amount(request.amount), &amount_rule());
        let method = Method::parse(request.payment_method.trim())
            .filter(|method| self.payments.has_gateway(method));
        let method = violations.require(
            "payment_method",
            method,
            "must be the name of a configured gateway",
        );
        match (order_id, amount, method) {
            (Some(order_id), Some(amount), Some(method)) => Ok(app::PayRequest {
                order_id,
                amount,
                method,
            }),
            _ => Err(violations),
        }
    }
}

// Repeating any of these does no harm: a second Pay joins the first, gets its result, or follows
// it, and never charges alongside it; a refund happens once.
#[tonic::async_trait]
impl PaymentService for Grpc {
    async fn pay(&self, request: Request<PayRequest>) -> Result<Response<PayResponse>, Status> {
        let context = CallContext::of(&request);
        let result = self.do_pay(&context, request.get_ref()).await;
        respond(&context, Repeat::Safe, result)
    }

    async fn get_payment_status(
        &self,
        request: Request<GetPaymentStatusRequest>,
    ) -> Result<Response<GetPaymentStatusResponse>, Status> {
        let context = CallContext::of(&request);
        let result = self.do_get_status(&context, request.get_ref()).await;
        respond(&context, Repeat::Safe, result)
    }

    async fn refund(
        &self,
        request: Request<RefundRequest>,
    ) -> Result<Response<RefundResponse>, Status> {
        let context = CallContext::of(&request);
        let result = self.do_refund(&context, request.get_ref()).await;
        respond(&context, Repeat::Safe, result)
    }

    type WatchPaymentsStream = BoxStream<'static, Result<PaymentEvent, Status>>;

    async fn watch_payments(
        &self,
        request: Request<WatchPaymentsRequest>,
    ) -> Result<Response<Self::WatchPaymentsStream>, Status> {
        let events = self
            .payments
            .watch_payments(request.get_ref().after_event_id);
        let events = events.map(|event| match event {
            Ok(event) => Ok(write_event(&event)),
            Err(error) => Err(status(Repeat::Safe, &error)),
        });
        Ok(Response::new(events.boxed()))
    }
}

fn order_id_rule() -> String {
    format!("must be between 1 and {ID_MAX}")
}

fn amount_rule() -> String {
    format!("must be between 1 and {AMOUNT_FEN_MAX}")
}

fn read_order_id(order_id: u64) -> Result<OrderId, Violations> {
    OrderId::new(order_id).ok_or_else(|| Violations::one("order_id", order_id_rule()))
}

fn write_pay(answer: PayAnswer, locale: Locale) -> PayResponse {
    let message = if answer.already {
        api::text::already_paid(locale)
    } else {
        api::text::paid(locale)
    };
    let reply = PayResponse {
        payment_no: answer.payment_no.to_string(),
        third_party_no: text_of(answer.third_party_no),
        ..Default::default()
    };
    reply.with_message(message.to_owned())
}

fn write_refund(answer: &RefundAnswer, locale: Locale) -> RefundResponse {
    match answer {
        RefundAnswer::Refunded(refund_no) => {
            let reply = RefundResponse {
                refund_no: refund_no.to_string(),
                ..Default::default()
            };
            reply.with_message(api::text::refunded(locale).to_owned())
        }
        // This refusal also carries the refund's number.
        RefundAnswer::RefundedBefore(refund_no) => {
            let code = Code::NotRefundable;
            let refused = RefundResponse::refused(code.number(), api::message(code, locale));
            RefundResponse {
                refund_no: refund_no.to_string(),
                ..refused
            }
        }
    }
}

fn write_payment(payment: domain::Payment) -> Payment {
    Payment {
        id: payment.id,
        payment_no: payment.payment_no.to_string(),
        order_id: payment.order_id.get(),
        amount: payment.amount.get(),
        status: payment.status.number(),
        payment_method: payment.method.to_string(),
        third_party_no: text_of(payment.third_party_no),
        created_at: payment.created_at.seconds(),
        updated_at: payment.updated_at.seconds(),
    }
}

fn write_event(event: &domain::Event) -> PaymentEvent {
    PaymentEvent {
        event_id: event.id,
        order_id: event.order_id.get(),
        payment_no: event.payment_no.to_string(),
        amount: event.amount.get(),
        status: event.status.number(),
        created_at: event.created_at.seconds(),
    }
}

fn text_of(third_party_no: Option<ThirdPartyNo>) -> String {
    third_party_no
        .map(|number| number.to_string())
        .unwrap_or_default()
}
