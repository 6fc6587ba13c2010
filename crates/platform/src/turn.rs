//! The turn of those who write one after another, where each may begin before the last one's commit is on the disk.

use tokio_util::sync::CancellationToken;

/// A writer's turn. Whoever has it passes it on when nobody could overtake any more at the rows that were written:
/// they are locked, and all that is left is the commit.
///
/// Clones are handles on one turn. Passing it on again does nothing.
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
