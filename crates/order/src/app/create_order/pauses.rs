//! How long a step that had no answer waits before it is tried again.

use std::time::Duration;

use platform::clock::pause;
use platform::deadline::Deadline;

/// The first pause; each further one is twice as long, up to `LONGEST`.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(500);

/// The pauses between the tries of one step.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
}

impl Pauses {
    /// Before the first pause.
    pub(super) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// Waits and returns whether to try again; `false`, without waiting, where the wait would
    /// outlast `deadline`.
    pub(super) async fn wait(&mut self, deadline: Deadline) -> bool {
        if deadline.remaining() <= self.next {
            return false;
        }
        pause(self.next).await;
        self.next = self.next.saturating_mul(2).min(LONGEST);
        true
    }
}
