use std::sync::Arc;

use async_trait::async_trait;
use platform::db::DbError;
use platform::reader::KeyedRows;
use types::{IdempotencyKey, UserId};

use super::Store;
use crate::domain::Order;

/// Orders by the user's key that made them, at whatever stage.
pub(crate) struct OrdersByRequest(pub(crate) Arc<dyn Store>);

#[async_trait]
impl KeyedRows for OrdersByRequest {
    type Key = (UserId, IdempotencyKey);
    type Row = (Self::Key, Order);

    const NAME: &'static str = "order.first";

    async fn find(&self, requests: &[Self::Key]) -> Result<Vec<Self::Row>, DbError> {
        let found = self.0.find_requests(requests).await?;
        let keyed = found.into_iter().filter_map(|order| {
            let key = order.request.as_ref()?.key.clone();
            Some(((order.user_id, key), order))
        });
        Ok(keyed.collect())
    }

    fn key((key, _): &Self::Row) -> &Self::Key {
        key
    }
}
