//! Intents: opened and closed by a creator, or taken over and closed by recovery.

use types::OrderId;

use crate::domain::{Intent, IntentStep, Rows};

impl Rows {
    /// Whether the intent is, after the step, in the state that the step asks for.
    pub(super) fn move_intent(&mut self, first: OrderId, step: &IntentStep) -> bool {
        match step {
            IntentStep::Open(intent) => {
                if self.intents.get(&first).is_none() {
                    self.intents.put(first, *intent);
                }
                self.intents.get(&first) == Some(intent)
            }
            IntentStep::TakeOver { at, until } => {
                let is_due = |intent: &&mut Intent| intent.lease_until <= *at;
                let Some(intent) = self.intents.edit(&first).filter(is_due) else {
                    return false;
                };
                intent.recovering = true;
                intent.lease_until = *until;
                true
            }
            IntentStep::Close => {
                self.intents.remove(&first);
                true
            }
        }
    }
}
