//! The moment after which nobody waits for an answer any more.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// A moment on the monotonic clock: made from a wait, handed down through calls, only ever
/// shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// The deadline came before the answer. What was being done may or may not have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub struct DeadlinePassed;

impl Deadline {
    /// The moment `wait` from now.
    pub fn after(wait: Duration) -> Self {
        // Capped at a year, so that the sum stays within the monotonic clock.
        let year = Duration::from_hours(365 * 24);
        Self(Instant::now() + wait.min(year))
    }

    /// How long until then; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The earlier of the two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }

    /// Waits for `work`, but not past the deadline; then `work` is dropped where it stands.
    pub async fn within<F: Future>(self, work: F) -> Result<F::Output, DeadlinePassed> {
        tokio::time::timeout_at(self.0, work)
            .await
            .map_err(|_| DeadlinePassed)
    }
}
