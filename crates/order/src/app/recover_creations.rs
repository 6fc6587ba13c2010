//! Calling off creations whose creator died or gave up.

use futures::future::join_all;
use platform::deadline::Deadline;
use types::UnixMillis;

use super::{App, BACKGROUND_LIMIT};
use crate::domain::{AbandonedBy, Op, Stage, Verdict};
use crate::store::DueOrder;

/// How many orders are looked at in one go.
const PAGE_LEN: u32 = 500;

impl App {
    /// One round of recovery: abandons every CREATING order whose lease ran out, and has what was
    /// deducted for it released.
    ///
    /// The rule checks the lease again, and a creator that is only slow fails its compare-and-set:
    /// the two cannot both win.
    pub(crate) async fn recover_creations(&self) {
        let mut after = None;
        loop {
            let now = self.clock.now();
            let due = match self
                .store
                .due_orders(Stage::Creating, now, after, PAGE_LEN)
                .await
            {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(%error, "abandoned creations could not be read");
                    return;
                }
            };
            join_all(due.iter().map(|order| self.abandon_overdue(*order, now))).await;
            let Some(last) = due
                .last()
                .filter(|_| u32::try_from(due.len()) == Ok(PAGE_LEN))
            else {
                return;
            };
            after = Some(*last);
        }
    }

    async fn abandon_overdue(&self, order: DueOrder, now: UnixMillis) {
        let abandon = Op::Abandon {
            id: order.id,
            by: AbandonedBy::Recovery,
            stamp: self.stamp(),
        };
        match self
            .writer
            .move_order(abandon, Deadline::after(BACKGROUND_LIMIT))
            .await
        {
            Ok(Some(moved)) if moved.verdict == Verdict::Now => {
                metrics::counter!("bookstore_order_sagas_total", "result" => "recovered")
                    .increment(1);
                let late = now.since(order.due_at);
                tracing::warn!(order.no = %moved.order.order_no, late_ms = late.as_millis(), "a creation was called off");
                drop(self.runner.run_now(moved.tasks));
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a creation was not called off; next round"),
        }
    }
}
