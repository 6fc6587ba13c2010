//! The saga of an order without a key: its stock is held first, and its row is written once.
//!
//! Nobody can refer to such an order before its creator has answered, so it needs no row of its own
//! until then: the intent that covers its id is the log ([`super::intents`]).

use platform::context::CallContext;
use platform::deadline::Deadline;

use super::hold_stock::Hold;
use super::intents::Covered;
use super::pauses::Pauses;
use super::{CreateOrder, Created, count_saga, not_written};
use crate::app::{App, BACKGROUND_LIMIT};
use crate::domain::{Birth, Inserted, NewOrder};
use crate::error::OrderError;

impl App {
    pub(super) async fn make_without_key(
        &self,
        context: &CallContext,
        wanted: &CreateOrder,
    ) -> Result<Created, OrderError> {
        let priced = self.price_basket(context, &wanted.basket).await?;
        if self.is_short_at_sight(context, &wanted.basket).await {
            count_saga("refused_at_sight");
            return Err(OrderError::InsufficientStock);
        }
        let covered = self.intents.next(context.deadline).await;
        let covered = covered.map_err(not_written)?;
        let at = self.clock.now();
        let new = NewOrder {
            id: covered.id,
            order_no: covered.order_no.clone(),
            user_id: wanted.user_id,
            total: priced.total,
            items: priced.items.into(),
            request: None,
            at,
            birth: Birth::Held {
                intent: covered.intent,
                expire_at: at.plus(self.timing.payment_timeout),
            },
            may_be_there: false,
        };
        self.hold_and_write(context, wanted, new, covered).await
    }

    /// From an id to PENDING, or to nothing.
    #[tracing::instrument(skip_all, fields(order.no = %covered.order_no))]
    async fn hold_and_write(
        &self,
        context: &CallContext,
        wanted: &CreateOrder,
        new: NewOrder,
        covered: Covered,
    ) -> Result<Created, OrderError> {
        let context = self.saga_context(context);
        let created = new.created();
        match self.hold_stock(&context, &wanted.basket, &created).await {
            Hold::Held => self.write_held(&context, new, covered).await,
            Hold::Refused {
                error,
                in_doubt: false,
            } => {
                self.intents.settle(covered);
                count_saga("refused");
                Err(error)
            }
            Hold::Refused {
                error,
                in_doubt: true,
            } => self.call_off_unwritten(new, covered, error).await,
            Hold::Unknown(unanswered) => {
                let error = OrderError::CalledOff(Some(unanswered));
                self.call_off_unwritten(new, covered, error).await
            }
            Hold::Fenced => Err(self.overtaken(covered)),
        }
    }

    /// Nothing -> PENDING, then into the delay queue.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn write_held(
        &self,
        context: &CallContext,
        mut new: NewOrder,
        covered: Covered,
    ) -> Result<Created, OrderError> {
        let mut pauses = Pauses::new();
        loop {
            new.at = self.clock.now();
            new.birth = Birth::Held {
                intent: covered.intent,
                expire_at: new.at.plus(self.timing.payment_timeout),
            };
            let order = match self.writer.insert(new.clone(), context.deadline).await {
                Ok(Inserted::New) => new.as_written(),
                Ok(Inserted::Repeat(order))
                    if order.order_no == new.order_no && order.stage.shown().is_some() =>
                {
                    *order
                }
                Ok(_) => return Err(self.overtaken(covered)),
                Err(error) => {
                    // Retried also if the outcome is unknown: the insert looks for the row first.
                    new.may_be_there = true;
                    if pauses.wait(context.deadline).await {
                        continue;
                    }
                    tracing::warn!(%error, "an order could not be written down");
                    let error = OrderError::CalledOff(None);
                    return self.call_off_unwritten(new, covered, error).await;
                }
            };
            self.intents.settle(covered);
            self.schedule(&order).await;
            count_saga("created");
            return Ok(new.created());
        }
    }

    /// Writes a creation that is in doubt as CREATING, to be abandoned like any other; unless it
    /// turns out that it had become an order after all.
    async fn call_off_unwritten(
        &self,
        mut new: NewOrder,
        covered: Covered,
        error: OrderError,
    ) -> Result<Created, OrderError> {
        let (created, is_in_doubt) = (new.created(), new.may_be_there);
        new.birth = Birth::Creating {
            lease_until: self.clock.now().plus(self.timing.creation_lease),
        };
        let deadline = Deadline::after(BACKGROUND_LIMIT);
        match self.writer.insert(new, deadline).await {
            Ok(_) => {
                self.intents.settle(covered);
                self.call_off(&created, error).await
            }
            Err(lost) => {
                tracing::warn!(error = %lost, "a creation is left to recovery");
                if is_in_doubt {
                    count_saga("unknown");
                    return Err(OrderError::OutcomeUnknown(None));
                }
                // It was never written as an order, and nobody will confirm a CREATING row.
                count_saga("called_off");
                Err(error)
            }
        }
    }

    /// Recovery was quicker and gives back what is held under the intent.
    fn overtaken(&self, covered: Covered) -> OrderError {
        self.intents.leave_to_recovery(covered);
        count_saga("overtaken");
        OrderError::CalledOff(None)
    }
}
