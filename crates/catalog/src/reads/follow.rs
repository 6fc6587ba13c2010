use std::sync::Arc;
use std::time::Duration;

use platform::clock;
use platform::db::DbError;
use platform::tasks::Tasks;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{BookCache, SharedBooks, SharedIndex};
use crate::domain::{Listing, Revision};
use crate::store::Store;

/// How often to look for changes that other replicas made.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many changes are read at a time.
const CHANGES_LEN_MAX: u32 = 1000;

/// Reads the sequence of changes, whichever replica made them, and passes them on to the search
/// index and the caches.
pub(crate) struct Follower {
    store: Arc<dyn Store>,
    index: Arc<SharedIndex>,
    cache: Arc<BookCache>,
    shared: Option<SharedBooks>,
    cursor: Revision,
}

impl Follower {
    /// A follower that has seen nothing yet.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        index: Arc<SharedIndex>,
        cache: Arc<BookCache>,
        shared: Option<SharedBooks>,
    ) -> Self {
        Self {
            store,
            index,
            cache,
            shared,
            cursor: Revision::START,
        }
    }

    /// Takes in every change there is; the first time, this builds the whole index.
    pub(crate) async fn catch_up(&mut self) -> Result<(), DbError> {
        loop {
            let looked = Instant::now();
            let changes = self
                .store
                .list_changes(self.cursor, CHANGES_LEN_MAX)
                .await?;
            self.take_in(&changes).await;
            if changes.len() < usize::try_from(CHANGES_LEN_MAX).unwrap_or(usize::MAX) {
                // Whatever was committed before this look has been seen.
                self.cache.mark_fresh(looked);
                return Ok(());
            }
        }
    }

    async fn take_in(&mut self, changes: &[Listing]) {
        let Some(last) = changes.last() else { return };
        for change in changes {
            self.cache.drop_older(change.id, change.revision);
        }
        if let Some(shared) = &self.shared {
            shared.announce(changes.iter().map(|change| (change.id, change.revision)));
        }
        self.index.put_all(changes).await;
        self.cursor = last.revision;
        let books = u32::try_from(self.index.len().await).unwrap_or(u32::MAX);
        metrics::gauge!("bookstore_catalog_indexed_books").set(books);
    }

    /// Follows until the service stops: at once when `written` says that this replica wrote, and
    /// every 200 ms for the others.
    pub(crate) fn run(mut self, tasks: &Tasks, written: Arc<Notify>) {
        let stopping = tasks.stopping();
        tasks.spawn("catalog.follow", async move {
            let mut failing = false;
            while !stopping.is_cancelled() {
                tokio::select! {
                    biased;
                    () = written.notified() => {}
                    () = clock::pause(LOOK_EVERY) => {}
                    () = stopping.cancelled() => return,
                }
                let result = self.catch_up().await;
                note_health(&mut failing, &result);
            }
        });
    }
}

/// Logs when following begins to fail and when it works again, not every round in between.
fn note_health(failing: &mut bool, result: &Result<(), DbError>) {
    match result {
        Err(error) if !*failing => {
            tracing::warn!(%error, "changes cannot be followed; reads go past the cache");
        }
        Ok(()) if *failing => tracing::info!("changes are followed again"),
        Ok(()) | Err(_) => {}
    }
    *failing = result.is_err();
}
