use std::sync::Arc;

use async_trait::async_trait;
use platform::db::DbError;
use platform::reader::KeyedRows;
use types::OrderNo;

use super::Store;
use crate::domain::OrderDetail;

/// Orders by their number, at whatever stage.
pub(crate) struct OrdersByNumber(pub(crate) Arc<dyn Store>);

#[async_trait]
impl KeyedRows for OrdersByNumber {
    type Key = OrderNo;
    type Row = OrderDetail;

    const NAME: &'static str = "order.load";

    async fn find(&self, numbers: &[OrderNo]) -> Result<Vec<OrderDetail>, DbError> {
        self.0.find_orders(numbers).await
    }

    fn key(detail: &OrderDetail) -> &OrderNo {
        &detail.order.order_no
    }
}
