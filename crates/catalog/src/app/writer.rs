use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::{Batch, BatchWriter};
use platform::db::DbError;
use tokio::sync::Notify;

use crate::domain::{Op, Outcome};
use crate::reads::{BookCache, SharedBooks};
use crate::store::Store;

/// The one writer of this replica.
///
/// It puts the books it wrote into the cache before their callers are answered: every later read
/// through this replica sees the book as written. This is done here and not in the handlers,
/// because handlers can be cancelled after the commit.
pub(crate) struct Writer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cache: Arc<BookCache>,
    pub(crate) shared: Option<SharedBooks>,
    /// Wakes the follower.
    pub(crate) written: Arc<Notify>,
}

#[async_trait]
impl BatchWriter for Writer {
    type Op = Op;
    type Out = Outcome;

    fn name(op: &Op) -> &'static str {
        op.name()
    }

    async fn write(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        let outcomes = self.store.apply_batch(batch).await?;
        for book in outcomes.iter().flatten() {
            self.cache.put(book);
        }
        if let Some(shared) = &self.shared {
            let books: Vec<_> = outcomes.iter().flatten().cloned().collect();
            shared.announce(books.iter().map(|book| (book.id, book.revision)));
            shared.fill(books);
        }
        self.written.notify_one();
        Ok(outcomes)
    }
}
