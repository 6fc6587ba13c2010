use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::{Batch, BatchWriter, Combiner, CombinerLimits, WriteError};
use platform::db::DbError;
use platform::deadline::Deadline;
use types::OrderNo;

use super::Store;
use crate::domain::OrderDetail;

const LIMITS: CombinerLimits = CombinerLimits {
    queue_len_max: 8192,
    batch_len_max: 256,
};

/// Reads single orders for all who ask at once, in one query.
///
/// Whoever asks while a query runs is served by the next one, never by the one that runs, which may
/// have looked before the asker's own write.
#[derive(Clone)]
pub(crate) struct Reader {
    combiner: Combiner<OrderNo, Option<OrderDetail>>,
}

impl Reader {
    /// Starts to read `store`.
    pub(crate) fn start(store: Arc<dyn Store>) -> Self {
        let combiner = Combiner::start("order.load", Loader(store), LIMITS);
        Self { combiner }
    }

    /// The order with this number, at whatever stage.
    pub(crate) async fn find_order(
        &self,
        order_no: OrderNo,
        deadline: Deadline,
    ) -> Result<Option<OrderDetail>, WriteError> {
        self.combiner.submit(order_no, deadline).await
    }

    /// Refuses new readers and answers those that wait.
    pub(crate) async fn close(&self) {
        self.combiner.close().await;
    }
}

struct Loader(Arc<dyn Store>);

#[async_trait]
impl BatchWriter for Loader {
    type Op = OrderNo;
    type Out = Option<OrderDetail>;

    fn name(_: &OrderNo) -> &'static str {
        "order.load"
    }

    async fn write(&self, batch: Batch<OrderNo>) -> Result<Vec<Self::Out>, DbError> {
        let numbers: BTreeSet<_> = batch.iter().cloned().collect();
        let numbers: Vec<_> = numbers.into_iter().collect();
        let found = self.0.find_orders(&numbers).await?;
        let orders: HashMap<_, _> = found
            .into_iter()
            .map(|detail| (detail.order.order_no.clone(), detail))
            .collect();
        Ok(batch.iter().map(|no| orders.get(no).cloned()).collect())
    }
}
