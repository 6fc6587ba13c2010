use api::inventory::v1::inventory_service_client::InventoryServiceClient;
use api::inventory::v1::{
    BatchDeductStockResponse, BatchReleaseStockRequest, CommitStockRequest, GetStockRequest,
    StockBatch, StockItem,
};
use async_trait::async_trait;
use platform::context::CallContext;
use platform::net::{CallError, Transport, call};
use types::{BookId, Code, OrderId, OrderNo};

use super::shared_deductions::SharedDeductions;
use super::{CALL_LIMIT, Deduction, Effect, InventoryClient, Unanswered, nonsense, unanswered};
use crate::domain::Line;

const SERVICE: &str = "inventory";

/// The inventory over gRPC, asked once for the stock of all orders that are made at the same moment.
pub struct InventoryGrpc {
    client: InventoryServiceClient<Transport>,
    shared: SharedDeductions,
}

impl InventoryGrpc {
    /// The inventory behind `transport`.
    pub fn new(transport: Transport) -> Self {
        Self {
            client: InventoryServiceClient::new(transport),
            shared: SharedDeductions::default(),
        }
    }
}

#[async_trait]
impl InventoryClient for InventoryGrpc {
    async fn deduct(
        &self,
        context: &CallContext,
        order_no: &OrderNo,
        order_id: OrderId,
        lines: &[Line],
    ) -> Deduction {
        let item = |line: &Line| StockItem {
            book_id: line.book_id.get(),
            quantity: line.quantity.get(),
        };
        let batch = StockBatch {
            idempotency_key: order_no.to_string(),
            reference_id: order_id.get(),
            items: lines.iter().map(item).collect(),
        };
        match self.shared.deduct(&self.client, context, batch).await {
            Ok(reply) => deduction(&reply),
            Err(CallError::Rejected(status)) => Deduction::Refused(status.to_string()),
            Err(error @ CallError::Unknown { .. }) => {
                Deduction::Unknown(unanswered(SERVICE, error))
            }
        }
    }

    async fn read_free(&self, context: &CallContext, book: BookId) -> Result<i32, Unanswered> {
        let message = GetStockRequest {
            book_id: book.get(),
        };
        let mut client = self.client.clone();
        let reply = call(context, CALL_LIMIT, message, |request| async move {
            client.get_stock(request).await
        })
        .await
        .map_err(|error| unanswered(SERVICE, error))?;
        match reply.stock {
            Some(stock) if reply.code == 0 => Ok(stock.quantity),
            None if reply.code == Code::StockNotFound.number() => Ok(0),
            _ => Err(nonsense(
                SERVICE,
                "neither a balance nor the word that there is none",
            )),
        }
    }

    async fn release(&self, context: &CallContext, order_no: &OrderNo) -> Effect {
        let message = BatchReleaseStockRequest {
            idempotency_key: order_no.to_string(),
        };
        let mut client = self.client.clone();
        let reply = call(context, CALL_LIMIT, message, |request| async move {
            client.batch_release_stock(request).await
        })
        .await;
        effect(reply.map(|reply| (reply.code, reply.message)))
    }

    async fn commit(&self, context: &CallContext, order_no: &OrderNo) -> Effect {
        let message = CommitStockRequest {
            idempotency_key: order_no.to_string(),
        };
        let mut client = self.client.clone();
        let reply = call(context, CALL_LIMIT, message, |request| async move {
            client.commit_stock(request).await
        })
        .await;
        effect(reply.map(|reply| (reply.code, reply.message)))
    }
}

fn deduction(reply: &BatchDeductStockResponse) -> Deduction {
    let (code, message) = (reply.code, &reply.message);
    if code == 0 {
        Deduction::Held
    } else if code == Code::InsufficientStock.number() {
        Deduction::Short(BookId::new(reply.failed_book_id))
    } else if code == Code::DeductionCancelled.number() {
        Deduction::Fenced
    } else {
        Deduction::Refused(format!("{code} {message}"))
    }
}

fn effect(reply: Result<(i32, String), CallError>) -> Effect {
    match reply {
        Ok((0, _)) => Effect::Done,
        Ok((code, message)) => Effect::Refused(format!("{code} {message}")),
        Err(CallError::Rejected(status)) => Effect::Refused(status.to_string()),
        Err(error @ CallError::Unknown { .. }) => Effect::Unknown(unanswered(SERVICE, error)),
    }
}
