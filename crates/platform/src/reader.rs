//! Batched reads: single rows for all concurrent callers, in one query.
//!
//! A [`Combiner`] of reads: a caller that asks while a query runs is served by the next one, never
//! by the one that runs, which may have read before the caller's own write.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::combiner::{Batch, BatchWriter, Combiner, CombinerLimits, WriteError};
use crate::db::DbError;
use crate::deadline::Deadline;

const LIMITS: CombinerLimits = CombinerLimits {
    queue_len_max: 8192,
    batch_len_max: 256,
};

/// Rows that are found by a key of their own.
#[async_trait]
pub trait KeyedRows: Send + Sync + 'static {
    /// What a row is looked up by.
    type Key: Ord + Clone + Send + Sync + 'static;
    /// What is found.
    type Row: Clone + Send + 'static;

    /// The label of the metrics, such as `order.load`.
    const NAME: &'static str;

    /// The rows that exist for `keys`, in any order; `keys` are distinct.
    ///
    /// # Errors
    /// The database did not answer; every caller that waits for one of `keys` gets the error.
    async fn find(&self, keys: &[Self::Key]) -> Result<Vec<Self::Row>, DbError>;

    /// The key of a row.
    fn key(row: &Self::Row) -> &Self::Key;
}

/// Looks up single rows, in batches.
pub struct Reader<R: KeyedRows> {
    combiner: Combiner<R::Key, Option<R::Row>>,
}

impl<R: KeyedRows> Reader<R> {
    /// Starts the task that reads.
    pub fn start(rows: R) -> Self {
        Self {
            combiner: Combiner::start(R::NAME, Combined(rows), LIMITS),
        }
    }

    /// The row with this key; `None` where there is none.
    ///
    /// # Errors
    /// Too many wait, the deadline passed first, or the database did not answer.
    pub async fn find(
        &self,
        key: R::Key,
        deadline: Deadline,
    ) -> Result<Option<R::Row>, WriteError> {
        self.combiner.submit(key, deadline).await
    }

    /// Refuses new callers and answers those that wait.
    pub async fn close(&self) {
        self.combiner.close().await;
    }
}

struct Combined<R>(R);

#[async_trait]
impl<R: KeyedRows> BatchWriter for Combined<R> {
    type Op = R::Key;
    type Out = Option<R::Row>;

    fn name(_: &R::Key) -> &'static str {
        R::NAME
    }

    async fn write(&self, batch: Batch<R::Key>) -> Result<Vec<Self::Out>, DbError> {
        let keys: BTreeSet<_> = batch.iter().cloned().collect();
        let keys: Vec<_> = keys.into_iter().collect();
        let found = self.0.find(&keys).await?;
        let rows: BTreeMap<_, _> = found.iter().map(|row| (R::key(row), row)).collect();
        let row_of = |key| rows.get(key).map(|row| R::Row::clone(row));
        Ok(batch.iter().map(row_of).collect())
    }
}

#[cfg(test)]
mod tests {
    //! Proves that each caller gets the row that it asked for, and that each row is read once.

    use std::sync::{Arc, Mutex};

    use super::*;

    /// Finds even numbers, and remembers what it was asked for.
    struct Evens(Arc<Mutex<Vec<Vec<u64>>>>);

    #[async_trait]
    impl KeyedRows for Evens {
        type Key = u64;
        type Row = (u64, String);
        const NAME: &'static str = "evens";

        async fn find(&self, keys: &[u64]) -> Result<Vec<Self::Row>, DbError> {
            self.0.lock().unwrap().push(keys.to_vec());
            let evens = keys.iter().rev().filter(|key| *key % 2 == 0);
            Ok(evens.map(|key| (*key, key.to_string())).collect())
        }

        fn key(row: &Self::Row) -> &u64 {
            &row.0
        }
    }

    #[tokio::test]
    async fn everybody_hears_of_the_row_that_he_asked_for() {
        let asked = Arc::default();
        let reader = Reader::start(Evens(Arc::clone(&asked)));
        let deadline = Deadline::after(std::time::Duration::from_mins(1));
        let found =
            futures::future::join_all([4, 7, 2, 4].map(|key| reader.find(key, deadline))).await;
        let texts: Vec<_> = found
            .into_iter()
            .map(|row| row.unwrap().map(|row| row.1))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(texts, [text("4"), None, text("2"), text("4")]);
        assert_eq!(*asked.lock().unwrap(), [[2, 4, 7]]);
    }
}
