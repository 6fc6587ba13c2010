//! Reading orders: from the order service's own database alone.

use platform::context::CallContext;
use types::{OrderNo, Page};

use super::App;
use crate::domain::OrderDetail;
use crate::error::OrderError;
use crate::store::OrderFilter;

impl App {
    /// The order with this number, if callers may see it.
    pub(crate) async fn find_shown(
        &self,
        context: &CallContext,
        order_no: &OrderNo,
    ) -> Result<OrderDetail, OrderError> {
        let found = self.reader.find(order_no.clone(), context.deadline).await?;
        let shown = found.filter(|detail| detail.order.stage.shown().is_some());
        shown.ok_or(OrderError::OrderNotFound)
    }

    /// A page of orders, newest first, and how many there are in all.
    pub(crate) async fn list_orders(
        &self,
        filter: OrderFilter,
        page: Page,
    ) -> Result<(Vec<OrderDetail>, u64), OrderError> {
        Ok(self.store.list_orders(filter, page).await?)
    }
}
