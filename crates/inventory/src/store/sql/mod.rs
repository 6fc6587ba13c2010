//! Stock in a database: one SQL text, by table, for every server that [`platform::db`] speaks to.
//!
//! A batch costs a reading statement a table, and a writing one: `load.rs` reads every row the
//! batch can touch, the rules run over them in memory, `save.rs` writes what they changed.

mod audit;
mod keys;
mod ledger;
mod load;
mod save;
mod stocks;
mod sums;

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::{Database, DbError, Tx};
use types::BookId;

pub(crate) use audit::read_facts;

use super::{LedgerSums, Store, Sums};
use crate::audit::Audit;
use crate::domain::{Decision, Op, Stock};

/// Stock in a database of its own.
#[derive(Clone)]
pub struct SqlStore {
    database: Database,
}

impl SqlStore {
    /// Stock in `database`, whose schema is up to date.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

async fn apply_in(tx: &mut Tx, batch: &[Op]) -> Result<Vec<Decision>, DbError> {
    let mut rows = load::load_rows(tx, batch).await?;
    let decisions = batch.iter().map(|op| rows.apply(op)).collect();
    save::save_changes(tx, &mut rows).await?;
    Ok(decisions)
}

#[async_trait]
impl Store for SqlStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Decision>, DbError> {
        self.database
            .write_keyed("apply_stock", move |tx| {
                let batch = batch.clone();
                Box::pin(async move { apply_in(tx, &batch).await })
            })
            .await
    }

    async fn read_stocks(&self, books: &[BookId]) -> Result<Vec<Stock>, DbError> {
        let books = books.to_vec();
        self.database
            .read_once("read_stocks", move |tx| {
                let books = books.clone();
                Box::pin(async move { stocks::read_stocks(tx, books).await })
            })
            .await
    }

    async fn read_sums(&self, known: LedgerSums) -> Result<Sums, DbError> {
        self.database
            .read("read_stock_sums", move |tx| {
                Box::pin(sums::read_sums(tx, known))
            })
            .await
    }

    async fn read_audit(&self) -> Result<Audit, DbError> {
        Ok(read_facts(&self.database).await?.judge())
    }

    async fn close(&self) {
        self.database.close().await;
    }
}
