//! Turns of writers that follow one another, where each may begin before its predecessor's commit is on disk.

use tokio_util::sync::CancellationToken;

/// A writer's turn. Its holder passes it on once no later writer can overtake it at the rows it wrote: they
/// are locked, and only the commit is left.
///
/// Clones share one turn. Passing it on is idempotent.
#[derive(Debug, Clone, Default)]
pub struct Turn(CancellationToken);

impl Turn {
    /// Lets the next one begin.
    pub fn pass(&self) {
        self.0.cancel();
    }

    /// Whether the next one may begin.
    pub fn is_passed(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the next one may begin.
    pub async fn passed(&self) {
        self.0.cancelled().await;
    }
}
