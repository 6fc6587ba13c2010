use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use moka::ops::compute::Op;
use moka::sync::Cache;
use tokio::time::Instant;
use types::BookId;

use crate::domain::{Book, Revision};

/// How much memory cached books may take, roughly.
const CACHE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long the cache is trusted after the follower began a round that succeeded: less than the second
/// after which no read may show an old price.
const FRESH_FOR: Duration = Duration::from_millis(800);
/// How many stripes the ids are divided into; each remembers the greatest revision announced in it.
const STRIPES: usize = 1024;
/// What an entry takes besides its texts, roughly.
const ENTRY_BYTES: usize = 256;

/// Books by id, in bounded memory.
///
/// The law: once a change was announced ([`Self::put`], [`Self::drop_older`]), no older state of
/// that book is ever returned again, however slow the reader that fetched it. A reader takes a
/// [`Ticket`] before it asks the store; its book is cached only if nothing newer was announced in
/// the meantime.
pub(crate) struct BookCache {
    books: Cache<BookId, Arc<Book>>,
    /// The greatest revision announced so far, by stripe of ids. Grows before the cache changes.
    announced: Box<[AtomicI64]>,
    started: Instant,
    /// Until when the cache is trusted, in milliseconds after `started`; 0: not yet.
    fresh_until_ms: AtomicU64,
}

/// What had been announced about a book when a reader started.
///
/// The greatest revision of its whole stripe is enough: the ticket is taken before the store is
/// asked, revisions become visible in their order, and none is announced before it is committed. So
/// what the store returns is at least as new as the ticket; and if the stripe has moved on since,
/// any book of it may have a newer state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    announced: i64,
}

impl BookCache {
    /// An empty cache, not trusted before [`Self::mark_fresh`].
    pub(crate) fn new() -> Self {
        let books = Cache::builder()
            .max_capacity(CACHE_BYTES_MAX)
            .weigher(|_, book: &Arc<Book>| weight_of(book));
        Self {
            books: books.build(),
            announced: (0..STRIPES)
                .map(|_| AtomicI64::new(Revision::START.get()))
                .collect(),
            started: Instant::now(),
            fresh_until_ms: AtomicU64::new(0),
        }
    }

    /// Records that every change committed before `at` has been announced.
    pub(crate) fn mark_fresh(&self, at: Instant) {
        let until = at
            .saturating_duration_since(self.started)
            .saturating_add(FRESH_FOR);
        self.fresh_until_ms
            .fetch_max(millis_of(until), Ordering::SeqCst);
    }

    /// Whether cached books may be returned.
    pub(crate) fn is_fresh(&self) -> bool {
        millis_of(self.started.elapsed()) < self.fresh_until_ms.load(Ordering::SeqCst)
    }

    /// The book, if it is cached.
    pub(crate) fn get(&self, id: BookId) -> Option<Arc<Book>> {
        self.books.get(&id)
    }

    /// A ticket, to be taken before the store is asked for the book.
    pub(crate) fn ticket(&self, id: BookId) -> Ticket {
        Ticket {
            announced: self
                .stripe(id)
                .map_or(0, |stripe| stripe.load(Ordering::SeqCst)),
        }
    }

    /// Caches a book that the store returned after `ticket` was taken, unless it may be outdated.
    pub(crate) fn fill(&self, book: &Arc<Book>, ticket: Ticket) {
        let Some(stripe) = self.stripe(book.id) else {
            return;
        };
        self.books.entry(book.id).and_compute_with(|held| {
            // Read under the entry's lock: a later announcement finds the entry and replaces it; an
            // earlier one is seen here.
            let announced = stripe.load(Ordering::SeqCst);
            let current = announced == ticket.announced || announced <= book.revision.get();
            let newer = held.is_none_or(|held| held.value().revision < book.revision);
            if current && newer {
                Op::Put(Arc::clone(book))
            } else {
                Op::Nop
            }
        });
    }

    /// Announces a book as it was just written, and caches it.
    pub(crate) fn put(&self, book: &Arc<Book>) {
        self.announce(book.id, book.revision);
        self.books.entry(book.id).and_compute_with(|held| {
            let newer = held.is_none_or(|held| held.value().revision < book.revision);
            if newer {
                Op::Put(Arc::clone(book))
            } else {
                Op::Nop
            }
        });
    }

    /// Announces that a book has changed, and evicts an older state of it.
    pub(crate) fn drop_older(&self, id: BookId, revision: Revision) {
        self.announce(id, revision);
        self.books.entry(id).and_compute_with(|held| {
            let older = held.is_some_and(|held| held.value().revision < revision);
            if older { Op::Remove } else { Op::Nop }
        });
    }

    fn announce(&self, id: BookId, revision: Revision) {
        if let Some(stripe) = self.stripe(id) {
            stripe.fetch_max(revision.get(), Ordering::SeqCst);
        }
    }

    fn stripe(&self, id: BookId) -> Option<&AtomicI64> {
        let stripes = u64::try_from(self.announced.len()).ok()?;
        self.announced
            .get(usize::try_from(id.get().checked_rem(stripes)?).ok()?)
    }
}

fn weight_of(book: &Book) -> u32 {
    let details = &book.details;
    let texts = [&details.title, &details.author, &details.description];
    let bytes = texts
        .iter()
        .map(|text| text.len())
        .sum::<usize>()
        .saturating_add(ENTRY_BYTES);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    //! Proves the cache's law for every order of a slow reader and an announcement.

    use types::{Fen, UnixMillis};

    use super::*;
    use crate::domain::Details;

    fn book(revision: i64) -> Arc<Book> {
        Arc::new(Book {
            id: BookId::new(1).unwrap(),
            details: Details {
                title: "书".to_owned(),
                author: "作者".to_owned(),
                isbn: None,
                price: Fen::stored(revision),
                description: String::new(),
            },
            created_at: UnixMillis::new(1),
            updated_at: UnixMillis::new(1),
            unpublished: false,
            revision: Revision::new(revision),
        })
    }

    fn held(cache: &BookCache) -> Option<i64> {
        cache.get(book(1).id).map(|book| book.revision.get())
    }

    #[test]
    fn a_reader_fills_what_nobody_changed() {
        let cache = BookCache::new();
        let ticket = cache.ticket(book(1).id);
        cache.fill(&book(1), ticket);
        assert_eq!(held(&cache), Some(1));
    }

    #[test]
    fn a_slow_reader_cannot_bring_back_what_an_announcement_outdated() {
        for announce in [
            |cache: &BookCache| cache.put(&book(2)),
            |cache: &BookCache| cache.drop_older(book(1).id, Revision::new(2)),
        ] {
            let cache = BookCache::new();
            let ticket = cache.ticket(book(1).id);
            announce(&cache);
            // Even where the newer book was evicted in between.
            cache.books.invalidate_all();
            cache.fill(&book(1), ticket);
            assert_eq!(held(&cache), None);

            cache.fill(&book(2), ticket);
            assert_eq!(held(&cache), Some(2), "as new as what was announced");
        }
    }

    #[test]
    fn an_announcement_after_the_fill_replaces_it() {
        let cache = BookCache::new();
        cache.fill(&book(1), cache.ticket(book(1).id));
        cache.drop_older(book(1).id, Revision::new(1));
        assert_eq!(held(&cache), Some(1), "as new as it is");
        cache.drop_older(book(1).id, Revision::new(2));
        assert_eq!(held(&cache), None);
        cache.put(&book(3));
        cache.put(&book(2));
        cache.drop_older(book(1).id, Revision::new(2));
        assert_eq!(held(&cache), Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn trust_ends_when_the_follower_falls_silent() {
        let cache = BookCache::new();
        assert!(!cache.is_fresh());
        cache.mark_fresh(Instant::now());
        assert!(cache.is_fresh());
        tokio::time::advance(FRESH_FOR / 2).await;
        assert!(cache.is_fresh());
        tokio::time::advance(FRESH_FOR / 2).await;
        assert!(!cache.is_fresh());
        cache.mark_fresh(Instant::now());
        assert!(cache.is_fresh());
    }
}
