//! Proves what callers hear when the store is down or an outcome is unknown: UNAVAILABLE, with the word that
//! a repeat is safe exactly where it is; and that all is well again afterwards.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use api::catalog::v1::{
    BatchGetBooksRequest, GetBookRequest, ListBooksRequest, PublishBookRequest,
};
use async_trait::async_trait;
use catalog::domain::{Book, Listing, Op, Outcome, Revision};
use catalog::store::{PublishedPage, Store};
use platform::combiner::Batch;
use platform::db::DbError;
use testkit::TestDatabase;
use tokio::sync::Semaphore;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use types::{BookId, Page};

use crate::harness::{book, get, open, publish, serve_store};

/// A store that fails and dawdles as it is told.
pub(crate) struct FaultyStore {
    inner: Arc<dyn Store>,
    loads: AtomicUsize,
    changes_broken: AtomicBool,
    next_load: Mutex<Option<Gate>>,
    writes_fail: Mutex<Option<DbError>>,
    reads_fail: Mutex<Option<DbError>>,
}

/// Where a load waits with its answer in hand.
#[derive(Clone)]
pub(crate) struct Gate {
    reached: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl Gate {
    /// Waits until the load has read, and stands at the gate.
    pub(crate) async fn until_reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    /// Lets the load answer.
    pub(crate) fn open(&self) {
        self.opened.add_permits(1);
    }
}

impl FaultyStore {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            loads: AtomicUsize::new(0),
            changes_broken: AtomicBool::new(false),
            next_load: Mutex::new(None),
            writes_fail: Mutex::new(None),
            reads_fail: Mutex::new(None),
        }
    }

    /// Makes the next load wait, after it has read, until the gate opens.
    pub(crate) fn hold_next_load(&self) -> Gate {
        let gate = Gate {
            reached: Arc::new(Semaphore::new(0)),
            opened: Arc::new(Semaphore::new(0)),
        };
        *self.next_load.lock().unwrap() = Some(gate.clone());
        gate
    }

    /// Whether changes can be followed.
    pub(crate) fn break_changes(&self, broken: bool) {
        self.changes_broken.store(broken, Ordering::SeqCst);
    }

    /// How often books were loaded.
    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    fn fail_writes(&self, error: Option<DbError>) {
        *self.writes_fail.lock().unwrap() = error;
    }

    fn fail_reads(&self, error: Option<DbError>) {
        *self.reads_fail.lock().unwrap() = error;
    }
}

fn check(fault: &Mutex<Option<DbError>>) -> Result<(), DbError> {
    fault.lock().unwrap().clone().map_or(Ok(()), Err)
}

#[async_trait]
impl Store for FaultyStore {
    async fn apply_batch(&self, batch: Batch<Op>) -> Result<Vec<Outcome>, DbError> {
        check(&self.writes_fail)?;
        self.inner.apply_batch(batch).await
    }

    async fn load_books(&self, ids: &[BookId]) -> Result<Vec<Arc<Book>>, DbError> {
        check(&self.reads_fail)?;
        self.loads.fetch_add(1, Ordering::SeqCst);
        let books = self.inner.load_books(ids).await;
        let gate = self.next_load.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.reached.add_permits(1);
            gate.opened.acquire().await.unwrap().forget();
        }
        books
    }

    async fn list_published(&self, page: Page) -> Result<PublishedPage, DbError> {
        check(&self.reads_fail)?;
        self.inner.list_published(page).await
    }

    async fn list_changes(&self, after: Revision, limit: u32) -> Result<Vec<Listing>, DbError> {
        if self.changes_broken.load(Ordering::SeqCst) {
            return Err(DbError::Unavailable("cut off".to_owned()));
        }
        self.inner.list_changes(after, limit).await
    }

    async fn close(&self) {}
}

fn has_retry_info(status: &Status) -> bool {
    status.get_details_retry_info().is_some()
}

fn publication(id: u64, isbn: &str) -> PublishBookRequest {
    PublishBookRequest {
        book: Some(book(id, "三体", isbn)),
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_unavailable_and_may_be_asked_again() {
    let home = TestDatabase::new().await.unwrap();
    let store = Arc::new(FaultyStore::over(open(&home).await));
    let mut catalog = serve_store(store.clone()).await;
    for error in [
        DbError::Unavailable("down".to_owned()),
        DbError::Contention("busy".to_owned()),
    ] {
        store.fail_writes(Some(error.clone()));
        store.fail_reads(Some(error));
        let client = &mut catalog.client;
        let statuses = [
            client.publish_book(publication(0, "")).await.unwrap_err(),
            client
                .get_book(GetBookRequest { book_id: 1 })
                .await
                .unwrap_err(),
            client
                .batch_get_books(BatchGetBooksRequest { book_ids: vec![1] })
                .await
                .unwrap_err(),
            client
                .list_books(ListBooksRequest::default())
                .await
                .unwrap_err(),
        ];
        for status in statuses {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(has_retry_info(&status), "{status:?}");
        }
    }
    store.fail_writes(None);
    store.fail_reads(None);
    assert_eq!(publish(&mut catalog.client, book(0, "三体", "")).await, 1);
    assert_eq!(get(&mut catalog.client, 1).await.title, "三体");
}

#[tokio::test]
async fn an_unknown_outcome_may_be_repeated_only_where_a_repeat_makes_no_twin() {
    let home = TestDatabase::new().await.unwrap();
    let store = Arc::new(FaultyStore::over(open(&home).await));
    let mut catalog = serve_store(store.clone()).await;
    store.fail_writes(Some(DbError::OutcomeUnknown("connection lost".to_owned())));
    for (request, may_repeat) in [
        (publication(0, ""), false),
        (publication(1, ""), true),
        (publication(0, "978"), true),
    ] {
        let status = catalog.client.publish_book(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(has_retry_info(&status), may_repeat, "{status:?}");
    }
}
