//! The three calls to a gateway: each has a timeout and is counted, and an unknown outcome is logged.

use std::future::Future;
use std::sync::Arc;

use platform::crash;
use platform::deadline::Deadline;

use super::Payments;
use crate::domain::Record;
use crate::gateway::{
    ChargeAnswer, ChargeRequest, PaymentGateway, QueryAnswer, RefundAnswer, RefundRequest,
};

impl Payments {
    /// Asks for the charge of the record's attempt.
    pub(super) async fn charge(&self, record: &Record) -> ChargeAnswer {
        let request = ChargeRequest {
            payment_no: record.attempt.payment_no.clone(),
            order_id: record.attempt.order_id,
            amount: record.attempt.amount,
        };
        let call = |gateway: Arc<dyn PaymentGateway>| async move { gateway.charge(&request).await };
        let answer = crash::around("gateway.charge", self.call(record, call)).await;
        let answer = answer.unwrap_or_else(|reason| ChargeAnswer::Unknown { reason });
        match &answer {
            ChargeAnswer::Final(_) => count("charge", "final"),
            ChargeAnswer::Unknown { reason } => count_unknown("charge", reason),
        }
        answer
    }

    /// Asks what became of the charge.
    pub(super) async fn query(&self, record: &Record) -> QueryAnswer {
        let payment_no = record.attempt.payment_no.clone();
        let call =
            |gateway: Arc<dyn PaymentGateway>| async move { gateway.query(&payment_no).await };
        let answer = crash::around("gateway.query", self.call(record, call)).await;
        let answer = answer.unwrap_or_else(|reason| QueryAnswer::Unknown { reason });
        match &answer {
            QueryAnswer::Final(_) => count("query", "final"),
            QueryAnswer::NotSeen => count("query", "not seen"),
            QueryAnswer::Unknown { reason } => count_unknown("query", reason),
        }
        answer
    }

    /// Asks for the money back.
    pub(super) async fn refund_charge(&self, record: &Record) -> RefundAnswer {
        let request = RefundRequest {
            refund_no: record.refund_no(),
            payment_no: record.attempt.payment_no.clone(),
            third_party_no: record.payment.third_party_no.clone(),
            amount: record.attempt.amount,
        };
        let call = |gateway: Arc<dyn PaymentGateway>| async move { gateway.refund(&request).await };
        let answer = crash::around("gateway.refund", self.call(record, call)).await;
        let answer = answer.unwrap_or_else(|reason| RefundAnswer::Unknown { reason });
        match &answer {
            RefundAnswer::Final(_) => count("refund", "final"),
            RefundAnswer::Unknown { reason } => count_unknown("refund", reason),
        }
        answer
    }

    /// Calls the attempt's gateway; an error says why the outcome is unknown.
    async fn call<T, F: Future<Output = T>>(
        &self,
        record: &Record,
        call: impl FnOnce(Arc<dyn PaymentGateway>) -> F,
    ) -> Result<T, String> {
        let method = &record.attempt.method;
        // An attempt from an earlier configuration stays open until its gateway is configured again.
        let gateway = self
            .gateways
            .find(method)
            .ok_or_else(|| format!("no gateway {method}"))?;
        let limit = self.timetable.gateway_timeout();
        let answer = Deadline::after(limit)
            .within(call(Arc::clone(gateway)))
            .await;
        answer.map_err(|_| format!("no answer within {limit:?}"))
    }
}

fn count(call: &'static str, answer: &'static str) {
    let labels = [("call", call), ("answer", answer)];
    metrics::counter!("bookstore_payment_gateway_calls_total", &labels).increment(1);
}

fn count_unknown(call: &'static str, reason: &str) {
    count(call, "unknown");
    tracing::warn!(
        gateway.call = call,
        reason,
        "the gateway leaves an outcome unknown"
    );
}
