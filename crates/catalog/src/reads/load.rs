use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::{Batch, BatchWriter, Combiner, CombinerLimits, WriteError};
use platform::db::DbError;
use platform::deadline::Deadline;
use types::BookId;

use super::{BookCache, SharedBooks};
use crate::domain::Book;
use crate::store::Store;

const LIMITS: CombinerLimits = CombinerLimits {
    queue_len_max: 8192,
    batch_len_max: 256,
};

/// Reads books from the cache, or from Redis or the store if they are not in it.
#[derive(Clone)]
pub(crate) struct BookReader {
    cache: Arc<BookCache>,
    loads: Combiner<Arc<[BookId]>, Vec<Arc<Book>>>,
}

impl BookReader {
    /// Reads `store` through `cache`.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        cache: Arc<BookCache>,
        shared: Option<SharedBooks>,
    ) -> Self {
        let loader = Loader {
            store,
            shared,
            cache: Arc::clone(&cache),
        };
        Self {
            cache,
            loads: Combiner::start("catalog.load", loader, LIMITS),
        }
    }

    /// One book; `None` where there is none.
    ///
    /// # Errors
    /// Where the store had to be asked and did not answer in time.
    pub(crate) async fn read_book(
        &self,
        id: BookId,
        deadline: Deadline,
    ) -> Result<Option<Arc<Book>>, WriteError> {
        if self.cache.is_fresh()
            && let Some(book) = self.cache.get(id)
        {
            count("hit", 1);
            return Ok(Some(book));
        }
        count("miss", 1);
        Ok(self.loads.submit([id].into(), deadline).await?.pop())
    }

    /// The books with these ids: in the order asked, each once, missing ones left out.
    ///
    /// # Errors
    /// Where the store had to be asked and did not answer in time.
    pub(crate) async fn read_books(
        &self,
        ids: &[BookId],
        deadline: Deadline,
    ) -> Result<Vec<Arc<Book>>, WriteError> {
        let mut seen = HashSet::with_capacity(ids.len());
        let ids: Vec<BookId> = ids.iter().copied().filter(|id| seen.insert(*id)).collect();
        let mut books: HashMap<BookId, Arc<Book>> = HashMap::with_capacity(ids.len());
        if self.cache.is_fresh() {
            books.extend(
                ids.iter()
                    .filter_map(|id| Some((*id, self.cache.get(*id)?))),
            );
        }
        let missing: Arc<[BookId]> = ids
            .iter()
            .copied()
            .filter(|id| !books.contains_key(id))
            .collect();
        count("hit", books.len());
        count("miss", missing.len());
        if !missing.is_empty() {
            let loaded = self.loads.submit(missing, deadline).await?;
            books.extend(loaded.into_iter().map(|book| (book.id, book)));
        }
        Ok(ids.iter().filter_map(|id| books.remove(id)).collect())
    }

    /// Refuses new readers and answers those that wait.
    pub(crate) async fn close(&self) {
        self.loads.close().await;
    }
}

fn count(result: &'static str, books: usize) {
    let books = u64::try_from(books).unwrap_or(u64::MAX);
    metrics::counter!("bookstore_catalog_cache_reads_total", "result" => result).increment(books);
}

/// Reads for all who wait at once: each book once, all of them in one query unless they are very many.
///
/// A combiner of reads: whoever asks while a query runs is served by the next one, never by the
/// running one, which may have read before the caller's own write.
struct Loader {
    store: Arc<dyn Store>,
    shared: Option<SharedBooks>,
    cache: Arc<BookCache>,
}

impl Loader {
    /// What Redis has and may be returned: only while changes are followed, as with the cache.
    async fn read_shared(&self, ids: &[BookId]) -> Vec<Arc<Book>> {
        let Some(shared) = self.shared.as_ref().filter(|_| self.cache.is_fresh()) else {
            return Vec::new();
        };
        let books = shared.read(ids).await;
        if self.cache.is_fresh() {
            books
        } else {
            Vec::new()
        }
    }

    async fn load(&self, ids: &[BookId]) -> Result<Vec<Arc<Book>>, DbError> {
        let mut books = self.read_shared(ids).await;
        let read: HashSet<BookId> = books.iter().map(|book| book.id).collect();
        let missing: Vec<_> = ids
            .iter()
            .copied()
            .filter(|id| !read.contains(id))
            .collect();
        if missing.is_empty() {
            return Ok(books);
        }
        let loaded = self.store.load_books(&missing).await?;
        if let Some(shared) = &self.shared {
            shared.fill(loaded.clone());
        }
        books.extend(loaded);
        Ok(books)
    }
}

#[async_trait]
impl BatchWriter for Loader {
    type Op = Arc<[BookId]>;
    type Out = Vec<Arc<Book>>;

    fn name(_: &Self::Op) -> &'static str {
        "catalog.load"
    }

    async fn write(&self, batch: Batch<Self::Op>) -> Result<Vec<Self::Out>, DbError> {
        let ids: BTreeSet<BookId> = batch.iter().flat_map(|ids| ids.iter().copied()).collect();
        let ids: Vec<BookId> = ids.into_iter().collect();
        // Taken before Redis or the store is asked: whatever is announced from here on outdates the answer.
        let tickets: HashMap<BookId, _> =
            ids.iter().map(|id| (*id, self.cache.ticket(*id))).collect();
        let mut books = HashMap::with_capacity(ids.len());
        for book in self.load(&ids).await? {
            if let Some(ticket) = tickets.get(&book.id) {
                self.cache.fill(&book, *ticket);
            }
            books.insert(book.id, book);
        }
        let found =
            |ids: &Arc<[BookId]>| ids.iter().filter_map(|id| books.get(id)).cloned().collect();
        Ok(batch.iter().map(found).collect())
    }
}
