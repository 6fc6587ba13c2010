use std::sync::Arc;

use async_trait::async_trait;
use platform::db::DbError;
use platform::reader::KeyedRows;
use types::OrderId;

use super::Store;
use crate::domain::Record;

/// Payments with their last attempts, by their order.
pub(crate) struct RecordsByOrder(pub(crate) Arc<dyn Store>);

#[async_trait]
impl KeyedRows for RecordsByOrder {
    type Key = OrderId;
    type Row = Record;

    const NAME: &'static str = "payment.load";

    async fn find(&self, orders: &[OrderId]) -> Result<Vec<Record>, DbError> {
        self.0.find_records(orders).await
    }

    fn key(record: &Record) -> &OrderId {
        &record.payment.order_id
    }
}
