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

    /// Waits, and answers whether another try may begin: not where the wait would outlast `deadline`, and then it
    /// does not wait either.
    pub(super) async fn wait(&mut self, deadline: Deadline) -> bool {
        if deadline.remaining() <= self.next {
            return false;
        }
        pause(self.next).await;
        self.next = self.next.saturating_mul(2).min(LONGEST);
        true
    }
}
