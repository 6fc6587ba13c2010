//! A batch of deductions by itself, and among others: the same in two messages.

use crate::inventory::v1::{BatchDeductStockRequest, StockBatch};

impl From<BatchDeductStockRequest> for StockBatch {
    fn from(alone: BatchDeductStockRequest) -> Self {
        Self {
            idempotency_key: alone.idempotency_key,
            reference_id: alone.reference_id,
            items: alone.items,
        }
    }
}

impl From<StockBatch> for BatchDeductStockRequest {
    fn from(batch: StockBatch) -> Self {
        Self {
            idempotency_key: batch.idempotency_key,
            reference_id: batch.reference_id,
            items: batch.items,
        }
    }
}
