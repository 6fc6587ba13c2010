//! Settling the intents of creators that died: each of their ids has an order, or gives back what is held.

use futures::future::join_all;
use platform::context::CallContext;
use platform::deadline::Deadline;
use types::{OrderId, OrderNo};

use super::{App, BACKGROUND_LIMIT};
use crate::clients::{CALL_LIMIT, Effect};
use crate::domain::{Intent, IntentStep};

/// How many intents are looked at in one round, one after another.
const INTENTS_MAX: u32 = 100;
/// How many holds of one intent are given back at once.
const RELEASING_MAX: usize = 32;

impl App {
    /// One round of recovery: settles every intent whose lease ran out.
    pub(crate) async fn recover_intents(&self) {
        self.intents.retire_stale().await;
        match self.store.due_intents(self.clock.now(), INTENTS_MAX).await {
            Ok(due) => {
                for intent in due {
                    self.recover_intent(intent).await;
                }
            }
            Err(error) => tracing::warn!(%error, "abandoned intents could not be read"),
        }
    }

    /// Takes the intent over, so that no order is written down under it any more, and only then looks which
    /// are. The row goes when the last hold is given back: dying on the way costs a repeat.
    async fn recover_intent(&self, intent: Intent) {
        let at = self.clock.now();
        let until = at.plus(self.timing.creation_lease);
        let take_over = IntentStep::TakeOver { at, until };
        // Where it is not there any more its creator has settled it, or another replica was quicker.
        if !self.move_intent(intent.first, take_over).await {
            return;
        }
        let written = match self.store.written_under(intent).await {
            Ok(written) => written,
            Err(error) => {
                tracing::warn!(%error, "the orders of an intent could not be read");
                return;
            }
        };
        let unwritten: Vec<_> = intent.ids().filter(|id| !written.contains(id)).collect();
        if self.release_unwritten(intent, &unwritten).await
            && self.move_intent(intent.first, IntentStep::Close).await
        {
            let (orders, others) = (written.len(), unwritten.len());
            tracing::warn!(orders, others, "the intent of a dead creator was settled");
            metrics::counter!("bookstore_order_sagas_total", "result" => "recovered").increment(1);
        }
    }

    async fn move_intent(&self, first: OrderId, step: IntentStep) -> bool {
        let deadline = Deadline::after(BACKGROUND_LIMIT);
        let moved = self.writer.move_intent(first, step, deadline).await;
        moved.unwrap_or_else(|error| {
            tracing::debug!(%error, "an intent is recovered in a later round");
            false
        })
    }

    /// Gives back and fences what is held under ids that have no order; whether all of it is.
    async fn release_unwritten(&self, intent: Intent, ids: &[OrderId]) -> bool {
        let mut refused = false;
        for ids in ids.chunks(RELEASING_MAX) {
            let numbers = ids.iter().map(|id| intent.number(*id));
            for effect in join_all(numbers.map(|number| self.release(number))).await {
                match effect {
                    Effect::Done => {}
                    // Asking again hardly heals it; it must not keep the others from what is theirs.
                    Effect::Refused(_) => refused = true,
                    Effect::Unknown(_) => return false,
                }
            }
        }
        !refused
    }

    async fn release(&self, order_no: OrderNo) -> Effect {
        let context = CallContext::background("release", CALL_LIMIT);
        let effect = self.inventory.release(&context, &order_no).await;
        match &effect {
            Effect::Done => {}
            Effect::Refused(reason) => {
                tracing::error!(order.no = %order_no, reason, "what may be held was not given back");
            }
            Effect::Unknown(error) => {
                tracing::warn!(order.no = %order_no, %error, "what may be held is given back later");
            }
        }
        effect
    }
}
