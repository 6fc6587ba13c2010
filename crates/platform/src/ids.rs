//! Ids that no two replicas hand out twice.
//!
//! Replicas reserve blocks of numbers from one counter row and hand them out from memory: no round
//! trip per id, no reliance on auto-increment. A restart loses the rest of a block: ids have gaps.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::args;
use crate::combiner::WriteError;
use crate::db::{DbError, Tx};
use crate::deadline::Deadline;

/// Blocks start small, so that a restart skips few ids, and double.
const BLOCK_LEN_FIRST: u64 = 16;
const BLOCK_LEN_MAX: u64 = 8192;

/// Where blocks of ids come from: one counter row in the service's database.
#[async_trait]
pub trait IdSource: Send + Sync + 'static {
    /// Reserves `count` ids for good, in a transaction of its own.
    async fn reserve(&self, count: u64) -> Result<Range<u64>, DbError>;
}

/// Hands out ids from reserved blocks.
pub struct IdAllocator {
    source: Arc<dyn IdSource>,
    block: Mutex<Block>,
}

struct Block {
    ids: Range<u64>,
    next_len: u64,
}

impl IdAllocator {
    /// An allocator that has reserved nothing yet.
    pub fn new(source: Arc<dyn IdSource>) -> Self {
        Self {
            source,
            block: Mutex::new(Block {
                ids: 0..0,
                next_len: BLOCK_LEN_FIRST,
            }),
        }
    }

    /// The next id; reserves a block where the last one is used up.
    ///
    /// # Errors
    /// [`WriteError::TooLate`] at the deadline; whatever the database says.
    pub async fn next(&self, deadline: Deadline) -> Result<u64, WriteError> {
        Ok(self.next_range(1, deadline).await?.start)
    }

    /// The next consecutive ids: at most `len`, and at least one.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_range(&self, len: u64, deadline: Deadline) -> Result<Range<u64>, WriteError> {
        let next = deadline.within(self.take(len));
        Ok(next.await.map_err(|_| WriteError::TooLate)??)
    }

    async fn take(&self, len: u64) -> Result<Range<u64>, DbError> {
        let mut block = self.block.lock().await;
        if block.ids.is_empty() {
            // If this is dropped halfway, a block of ids is lost and nothing else.
            let ids = self.source.reserve(block.next_len).await?;
            if ids.is_empty() {
                return Err(DbError::Broken("an empty block of ids".to_owned()));
            }
            block.ids = ids;
            block.next_len = block.next_len.saturating_mul(2).min(BLOCK_LEN_MAX);
        }
        let start = block.ids.start;
        let end = block.ids.end.min(start.saturating_add(len.max(1)));
        block.ids.start = end;
        Ok(start..end)
    }
}

/// Advances the counter `name` by `count` and returns the numbers it passed.
///
/// Runs inside the caller's transaction and locks the counter's row until that ends. The row is created
/// by the service's migration: if it were created here, two replicas that start at once would both do so.
pub async fn reserve(tx: &mut Tx, name: &str, count: u64) -> Result<Range<u64>, DbError> {
    let count = i64::try_from(count).map_err(|_| DbError::Broken("too many ids".to_owned()))?;
    let read = format!(
        "SELECT next FROM id_counters WHERE name = ?{}",
        tx.for_update()
    );
    let rows = tx.query(&read, args![name]).await?;
    let row = rows
        .first()
        .ok_or_else(|| DbError::corrupt(format!("id_counters has no row {name}")))?;
    let start = row.int(0)?;
    let end = start
        .checked_add(count)
        .ok_or_else(|| DbError::corrupt("id_counters.next"))?;
    tx.execute(
        "UPDATE id_counters SET next = ? WHERE name = ?",
        args![end, name],
    )
    .await?;
    match (u64::try_from(start), u64::try_from(end)) {
        (Ok(start), Ok(end)) if start >= 1 => Ok(start..end),
        _ => Err(DbError::corrupt("id_counters.next")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    struct Counter(AtomicU64);

    #[async_trait]
    impl IdSource for Counter {
        async fn reserve(&self, count: u64) -> Result<Range<u64>, DbError> {
            let start = self.0.fetch_add(count, Ordering::SeqCst);
            Ok(start..start + count)
        }
    }

    #[tokio::test]
    async fn two_allocators_on_one_counter_never_meet() {
        let source = Arc::new(Counter(AtomicU64::new(1)));
        let (a, b) = (IdAllocator::new(source.clone()), IdAllocator::new(source));
        let soon = Deadline::after(Duration::from_mins(1));
        let mut seen = std::collections::BTreeSet::new();
        assert_eq!(a.next(soon).await.unwrap(), 1);
        for _ in 0..1000 {
            assert!(seen.insert(a.next(soon).await.unwrap()));
            assert!(seen.insert(b.next(soon).await.unwrap()));
        }
    }

    struct Hanging;

    #[async_trait]
    impl IdSource for Hanging {
        async fn reserve(&self, _: u64) -> Result<Range<u64>, DbError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_queues_for_an_id_waits_no_longer_than_his_deadline() {
        let ids = IdAllocator::new(Arc::new(Hanging));
        let next = || ids.next(Deadline::after(Duration::from_secs(1)));
        let (first, second) = tokio::join!(next(), next());
        assert!(matches!(first, Err(WriteError::TooLate)), "{first:?}");
        assert!(matches!(second, Err(WriteError::TooLate)), "{second:?}");
    }
}
