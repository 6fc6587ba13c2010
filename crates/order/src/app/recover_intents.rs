//! Settling the intents that their creators did not close: each id has an order, or what it holds is released.

use futures::future::join_all;
use platform::context::CallContext;
use platform::deadline::Deadline;
use types::{OrderId, OrderNo};

use super::{App, BACKGROUND_LIMIT};
use crate::clients::{CALL_LIMIT, Effect};
use crate::domain::{Intent, IntentStep};

/// How many intents are looked at in one round, one after another.
const INTENTS_MAX: u32 = 100;
/// How many holds of one intent are released at once.
const RELEASING_MAX: usize = 32;

impl App {
    /// Retires this replica's own intent if it is stale.
    pub(crate) async fn retire_intents(&self) {
        self.intents.retire_stale().await;
    }

    /// One round of recovery: settles intents whose lease ran out, [`INTENTS_MAX`] at most.
    pub(crate) async fn recover_intents(&self) {
        // This replica's own first, as the clock may have been set: closing it needs no call to inventory.
        self.retire_intents().await;
        match self.store.due_intents(self.clock.now(), INTENTS_MAX).await {
            Ok(due) => {
                for intent in due {
                    if !self.recover_intent(intent).await || self.is_stopping() {
                        return;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "abandoned intents could not be read"),
        }
    }

    /// Takes the intent over, so that no more orders are written under it, and only then reads
    /// which of its ids have one. The row is deleted when the last hold is released: dying on the
    /// way costs a repeat.
    ///
    /// Returns whether it is worth going on to the next: the database and inventory answer.
    async fn recover_intent(&self, intent: Intent) -> bool {
        let at = self.clock.now();
        let until = at.plus(self.timing.creation_lease);
        let take_over = IntentStep::TakeOver { at, until };
        match self.move_intent(intent.first, take_over).await {
            Some(true) => {}
            // Its creator has settled it, or another replica was quicker.
            Some(false) => return true,
            None => return false,
        }
        let written = match self.store.written_under(intent).await {
            Ok(written) => written,
            Err(error) => {
                tracing::warn!(%error, "the orders of an intent could not be read");
                return false;
            }
        };
        let unwritten: Vec<_> = intent.ids().filter(|id| !written.contains(id)).collect();
        let released = self.release_unwritten(intent, &unwritten).await;
        if released == Released::All
            && self.move_intent(intent.first, IntentStep::Close).await == Some(true)
        {
            let (orders, others) = (written.len(), unwritten.len());
            tracing::warn!(orders, others, "an intent was settled by recovery");
            metrics::counter!("bookstore_order_sagas_total", "result" => "recovered").increment(1);
        }
        released != Released::Unanswered
    }

    /// `None` where the database did not answer.
    async fn move_intent(&self, first: OrderId, step: IntentStep) -> Option<bool> {
        let deadline = Deadline::after(BACKGROUND_LIMIT);
        let moved = self.writer.move_intent(first, step, deadline).await;
        moved
            .inspect_err(|error| tracing::debug!(%error, "an intent is recovered in a later round"))
            .ok()
    }

    /// Releases and fences what is held under ids that have no order. Releases without an answer
    /// are repeated as long as inventory answers others.
    async fn release_unwritten(&self, intent: Intent, ids: &[OrderId]) -> Released {
        let mut refused = false;
        let mut asked = ids.to_vec();
        while !asked.is_empty() {
            let mut unknown = Vec::new();
            for ids in asked.chunks(RELEASING_MAX) {
                let releases = ids.iter().map(|id| self.release(intent.number(*id)));
                let effects = join_all(releases).await;
                let before = unknown.len();
                for (id, effect) in ids.iter().zip(effects) {
                    match effect {
                        Effect::Done => {}
                        // A repeat is unlikely to help, and must not hold up the others.
                        Effect::Refused(_) => refused = true,
                        Effect::Unknown(_) => unknown.push(*id),
                    }
                }
                if unknown.len() == before.saturating_add(ids.len()) {
                    return Released::Unanswered;
                }
                if self.is_stopping() {
                    return Released::Some;
                }
            }
            asked = unknown;
        }
        if refused {
            Released::Some
        } else {
            Released::All
        }
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
                tracing::debug!(order.no = %order_no, %error, "what may be held is given back later");
            }
        }
        effect
    }

    fn is_stopping(&self) -> bool {
        self.tasks.stopping().is_cancelled()
    }
}

/// How much of what was held under an intent is released.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Released {
    All,
    /// Some is refused, or the service stops.
    Some,
    /// Inventory is away, or hangs.
    Unanswered,
}
