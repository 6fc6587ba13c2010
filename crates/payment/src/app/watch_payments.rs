use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use platform::db::DbError;
use tokio::sync::futures::Notified;

use super::Payments;
use crate::domain::Event;

/// How many events are read at once.
const PAGE_LEN: u32 = 256;

/// How long to wait after a page that reached the end of the feed, so that payments settled
/// together arrive together.
const GATHER: Duration = Duration::from_millis(5);

/// How often the feed is read for events that other processes added.
const POLL_EVERY: Duration = Duration::from_millis(200);

impl Payments {
    /// The feed after the event `after`: what is there, then what is added, without end.
    ///
    /// In order and without a gap; a later call with the last id seen resumes exactly there. Ends
    /// when the service drains, and after an error of the store.
    pub(crate) fn watch_payments(
        self: &Arc<Self>,
        after: u64,
    ) -> impl Stream<Item = Result<Event, DbError>> + Send + 'static + use<> {
        let reader = FeedReader {
            payments: Arc::clone(self),
            after,
            at_end: false,
            failed: false,
        };
        let pages = stream::unfold(reader, |mut reader| async move {
            let page = reader.next_page().await?;
            Some((page, reader))
        });
        pages
            .map_ok(|page| stream::iter(page).map(Ok))
            .try_flatten()
    }
}

/// One caller's place in the feed.
struct FeedReader {
    payments: Arc<Payments>,
    after: u64,
    /// Whether the last page was not full, as at the end of the feed.
    at_end: bool,
    failed: bool,
}

impl FeedReader {
    /// The next events, at least one; `None` at the end.
    async fn next_page(&mut self) -> Option<Result<Vec<Event>, DbError>> {
        let payments = Arc::clone(&self.payments);
        let draining = payments.tasks.draining();
        if std::mem::take(&mut self.at_end) {
            let gather = platform::clock::pause(GATHER);
            draining.run_until_cancelled(gather).await;
        }
        while !self.failed && !draining.is_cancelled() {
            // Created before reading, so that an event appended from here on ends the wait below.
            let grown = payments.feed_grown.notified();
            match self.read_page().await {
                Ok(page) if page.is_empty() => {
                    draining.run_until_cancelled(wait(grown)).await;
                }
                Ok(page) => return Some(Ok(page)),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    async fn read_page(&mut self) -> Result<Vec<Event>, DbError> {
        let mut page = self
            .payments
            .store
            .list_events(self.after, PAGE_LEN)
            .await?;
        let whole = gapless_len(self.after, &page);
        if whole < page.len() {
            // The store rules this out. Should it happen all the same, only waiting loses nothing.
            tracing::error!(after = self.after, "the payment feed has a gap");
            page.truncate(whole);
        }
        self.after = page.last().map_or(self.after, |event| event.id);
        self.at_end = page.len() < PAGE_LEN.try_into().unwrap_or(usize::MAX);
        Ok(page)
    }
}

/// Waits until there may be more to read: until this process appends, or it is time to look for other
/// processes' events.
async fn wait(grown: Notified<'_>) {
    tokio::select! {
        biased;
        () = grown => {}
        () = platform::clock::pause(POLL_EVERY) => {}
    }
}

/// How many events follow `after` without a gap.
fn gapless_len(after: u64, page: &[Event]) -> usize {
    let ids = page.iter().map(|event| event.id);
    ids.zip(after.saturating_add(1)..)
        .take_while(|(id, expected)| id == expected)
        .count()
}
