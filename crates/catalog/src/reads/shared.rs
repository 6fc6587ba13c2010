use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use platform::crash;
use platform::redis::{Redis, RedisError, Script, cmd};
use platform::tasks::Tasks;
use tokio::sync::Semaphore;
use types::BookId;

use super::stored_book::{decode, encode};
use crate::domain::{Book, Revision};

/// How long a book stays in Redis after it was last put there.
const LIFE: Duration = Duration::from_mins(10);
/// How many books one command reads or writes at the most.
const BOOKS_MAX: usize = 64;
/// How many fills may be under way at once; any more are skipped.
const FILLS_MAX: usize = 8;

/// Stores each book unless Redis has one as new: a slow reader cannot put an old one back.
///
/// The format of a value is described in `stored_book.rs`: its tag and revision come first.
const FILL: &str = r"
for i, key in ipairs(KEYS) do
  local revision = tonumber(ARGV[2 * i])
  local held = string.match(redis.call('GETRANGE', key, 0, 31), '^b1 (%d+) ')
  if not held or tonumber(held) < revision then
    redis.call('SET', key, ARGV[2 * i + 1], 'PX', ARGV[1])
  elseif tonumber(held) == revision then
    redis.call('PEXPIRE', key, ARGV[1])
  end
end
return #KEYS
";

/// Books in Redis, behind every replica's own cache.
///
/// The law: a book from Redis is returned only if its revision is the newest that the change
/// sequence, or this replica's own writer, has announced. So nothing depends on what is in Redis,
/// or on invalidations that could be missed: an old book there is never returned, and a lost one is
/// read from the store.
#[derive(Clone)]
pub(crate) struct SharedBooks {
    redis: Redis,
    newest: Arc<RwLock<HashMap<BookId, Revision>>>,
    fill: Arc<Script>,
    fills: Arc<Semaphore>,
    tasks: Tasks,
}

impl SharedBooks {
    /// Keeps books on `redis`; fills run in `tasks`.
    pub(crate) fn new(redis: Redis, tasks: Tasks) -> Self {
        Self {
            redis,
            newest: Arc::default(),
            fill: Arc::new(Script::new(FILL)),
            fills: Arc::new(Semaphore::new(FILLS_MAX)),
            tasks,
        }
    }

    /// Announces changes, in any order.
    pub(crate) fn announce(&self, changes: impl IntoIterator<Item = (BookId, Revision)>) {
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        for (id, revision) in changes {
            let known = newest.entry(id).or_insert(revision);
            *known = (*known).max(revision);
        }
    }

    /// The books that Redis has in their newest state. None while it is down.
    pub(crate) async fn read(&self, ids: &[BookId]) -> Vec<Arc<Book>> {
        let ids = self.known(ids);
        let mut books = Vec::with_capacity(ids.len());
        for ids in ids.chunks(BOOKS_MAX) {
            let mut get = cmd("MGET");
            for id in ids {
                get.arg(key_of(*id));
            }
            let values: Result<Vec<Option<Vec<u8>>>, RedisError> = self.redis.call(&get).await;
            // The rest would not fare better.
            let Ok(values) = values else { break };
            let read = ids.iter().zip(values);
            books.extend(read.filter_map(|(id, value)| decode(*id, &value?)));
        }
        // Checked last: what is announced while Redis answers counts too.
        let read = books.len();
        self.retain_newest(&mut books);
        count("hit", books.len());
        count("outdated", read.saturating_sub(books.len()));
        count("miss", ids.len().saturating_sub(read));
        books.into_iter().map(Arc::new).collect()
    }

    /// Stores books in Redis, in the background.
    pub(crate) fn fill(&self, books: Vec<Arc<Book>>) {
        if books.is_empty() {
            return;
        }
        let Ok(turn) = Arc::clone(&self.fills).try_acquire_owned() else {
            return;
        };
        let this = self.clone();
        self.tasks.spawn("catalog.fill", async move {
            for books in books.chunks(BOOKS_MAX) {
                if this.put(books).await.is_err() {
                    break;
                }
            }
            drop(turn);
        });
    }

    async fn put(&self, books: &[Arc<Book>]) -> Result<(), RedisError> {
        let mut fill = self.fill.prepare_invoke();
        fill.arg(LIFE.as_secs().saturating_mul(1000));
        for book in books {
            fill.key(key_of(book.id));
            fill.arg(book.revision.get()).arg(encode(book));
        }
        let filling = self.redis.call_script(&fill);
        let _put: u64 = crash::around("catalog.fill_cache", filling).await?;
        Ok(())
    }

    /// The ids whose newest revision is known: copies of the others could not be judged.
    fn known(&self, ids: &[BookId]) -> Vec<BookId> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        let known = ids.iter().filter(|id| newest.contains_key(id));
        known.copied().collect()
    }

    fn retain_newest(&self, books: &mut Vec<Book>) {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        books.retain(|book| newest.get(&book.id) == Some(&book.revision));
    }
}

/// The hash tag in braces keeps all keys of one command on one node of a cluster.
fn key_of(id: BookId) -> String {
    format!("bookstore:{{books}}:{id}")
}

fn count(result: &'static str, books: usize) {
    let books = u64::try_from(books).unwrap_or(u64::MAX);
    metrics::counter!("bookstore_catalog_redis_reads_total", "result" => result).increment(books);
}
