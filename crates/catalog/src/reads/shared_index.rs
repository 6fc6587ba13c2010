use std::sync::Arc;

use platform::tasks::{TaskError, Tasks};
use tokio::sync::{RwLock, Semaphore};
use tokio::task::yield_now;
use types::Page;

use crate::domain::Listing;
use crate::search::{Found, Index};

/// How many changes are taken into the index under one lock: searches wait no longer than that.
const LOCKED_LEN_MAX: usize = 64;
/// Among more books than these a search may take long, and runs apart from the calls.
const SEARCHED_AT_ONCE_MAX: usize = 10_000;
/// How many searches run apart at a time: calls have the first claim on processors.
const SEARCHES_APART_MAX: usize = 2;

/// The search index, shared by searches and its one follower.
pub(crate) struct SharedIndex {
    index: Arc<RwLock<Index>>,
    apart: Arc<Semaphore>,
    tasks: Tasks,
}

impl SharedIndex {
    /// An index of no books.
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self {
            index: Arc::default(),
            apart: Arc::new(Semaphore::new(SEARCHES_APART_MAX)),
            tasks,
        }
    }

    /// Finds one page of books, see [`Index::search`].
    ///
    /// # Errors
    /// The search died.
    pub(crate) async fn search(&self, keyword: &str, page: Page) -> Result<Found, TaskError> {
        let index = self.index.read().await;
        if index.len() <= SEARCHED_AT_ONCE_MAX {
            return Ok(index.search(keyword, page));
        }
        drop(index);
        // Both are held until the search ends, whether or not its caller stays.
        let turn = Arc::clone(&self.apart).acquire_owned().await;
        let index = Arc::clone(&self.index).read_owned().await;
        let keyword = keyword.to_owned();
        let search = move || {
            let _turn = turn;
            index.search(&keyword, page)
        };
        self.tasks.run_apart("catalog.search", search).await
    }

    /// Takes in the newest states of books.
    pub(super) async fn put_all(&self, listings: &[Listing]) {
        for listings in listings.chunks(LOCKED_LEN_MAX) {
            let mut index = self.index.write().await;
            for listing in listings {
                index.put(listing);
            }
            drop(index);
            // Lets calls run between two chunks.
            yield_now().await;
        }
    }

    /// How many books can be found.
    pub(super) async fn len(&self) -> usize {
        self.index.read().await.len()
    }
}

#[cfg(test)]
mod tests {
    //! Proves that a search among many books is done apart from the calls, and finds what it should.

    use futures::FutureExt;
    use types::{BookId, Violations};

    use super::*;
    use crate::domain::Revision;

    #[tokio::test]
    async fn among_many_books_a_search_is_done_apart() {
        let index = SharedIndex::new(Tasks::new());
        let listings = |ids: std::ops::RangeInclusive<usize>| -> Vec<_> {
            let listing = |id: usize| Listing {
                id: BookId::new(id.try_into().unwrap()).unwrap(),
                title: "book".to_owned(),
                author: String::new(),
                isbn: None,
                unpublished: false,
                revision: Revision::START,
            };
            ids.map(listing).collect()
        };
        let first = Page::read(1, 1, &mut Violations::default());
        index.put_all(&listings(1..=SEARCHED_AT_ONCE_MAX)).await;
        let found = index.search("book", first).now_or_never();
        let total = found.expect("there is nothing to wait for").unwrap().total;
        assert_eq!(total, u64::try_from(SEARCHED_AT_ONCE_MAX).unwrap());

        let one_more = SEARCHED_AT_ONCE_MAX + 1;
        index.put_all(&listings(one_more..=one_more)).await;
        assert_eq!(index.len().await, one_more);
        let mut search = Box::pin(index.search("book", first));
        assert!(search.as_mut().now_or_never().is_none());
        assert_eq!(search.await.unwrap().total, total + 1);
    }
}
