//! How a creation that has a row ends: confirmed, dropped, or abandoned.

use platform::context::CallContext;
use platform::crash;
use platform::deadline::Deadline;
use types::OrderId;

use super::pauses::Pauses;
use super::{Created, count_saga};
use crate::app::{App, BACKGROUND_LIMIT, count_queue_failure};
use crate::domain::{AbandonedBy, Op, Order, Verdict};
use crate::error::OrderError;
use crate::store::DueOrder;

impl App {
    /// CREATING -> PENDING, then into the delay queue.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn confirm(
        &self,
        context: &CallContext,
        created: Created,
    ) -> Result<Created, OrderError> {
        let mut pauses = Pauses::new();
        loop {
            let at = self.clock.now();
            let expire_at = at.plus(self.timing.payment_timeout);
            let confirm = Op::Confirm {
                id: created.id,
                at,
                expire_at,
            };
            match self.writer.move_order(confirm, context.deadline).await {
                Ok(Some(moved)) if matches!(moved.verdict, Verdict::Now | Verdict::Before) => {
                    self.schedule(&moved.order).await;
                    count_saga("created");
                    return Ok(created);
                }
                // Recovery was quicker and has called the creation off.
                Ok(_) => {
                    count_saga("overtaken");
                    return Err(OrderError::CalledOff(None));
                }
                // Retried also if the outcome is unknown: confirming is idempotent.
                Err(error) => {
                    if !pauses.wait(context.deadline).await {
                        tracing::warn!(%error, "an order could not be confirmed");
                        return self.call_off(&created, OrderError::CalledOff(None)).await;
                    }
                }
            }
        }
    }

    pub(super) async fn schedule(&self, order: &Order) {
        let entries = [DueOrder {
            due_at: order.expire_at,
            id: order.id,
        }];
        let scheduling = self.queue.schedule(&entries);
        if let Err(error) = crash::around("queue.schedule", scheduling).await {
            count_queue_failure(&error);
        }
    }

    /// Deletes a creation for which nothing was or will be held. If the row stays, recovery abandons it.
    pub(super) async fn drop_order(&self, id: OrderId) {
        let deadline = Deadline::after(BACKGROUND_LIMIT);
        if let Err(error) = self.writer.move_order(Op::Drop { id }, deadline).await {
            tracing::warn!(%error, order.id = id.get(), "left to recovery");
        }
    }

    /// Abandons a creation that is in doubt and returns `error`; unless it turns out that it had
    /// become an order after all.
    pub(super) async fn call_off(
        &self,
        created: &Created,
        error: OrderError,
    ) -> Result<Created, OrderError> {
        let abandon = Op::Abandon {
            id: created.id,
            by: AbandonedBy::Creator,
            stamp: self.stamp(),
        };
        let deadline = Deadline::after(BACKGROUND_LIMIT);
        match self.writer.move_order(abandon, deadline).await {
            Ok(Some(moved)) if moved.verdict == Verdict::Illegal => {
                self.schedule(&moved.order).await;
                count_saga("created");
                Ok(created.clone())
            }
            Ok(moved) => {
                count_saga("called_off");
                // Not awaited: that there is no order does not depend on the release.
                drop(
                    self.runner
                        .run_now(moved.map(|moved| moved.tasks).unwrap_or_default()),
                );
                Err(error)
            }
            // Recovery abandons the row, unless it was confirmed.
            Err(lost) => {
                count_saga("unknown");
                tracing::warn!(error = %lost, "a creation is left to recovery");
                Err(OrderError::OutcomeUnknown(None))
            }
        }
    }
}
