//! Stock in a database: one SQL text, by table, for every server that [`platform::db`] speaks to.
//!
//! A batch costs a few statements per table, not a few per operation (a `ReleaseStock` needs one of its
//! own): `load.rs` reads every row the batch can touch, the rules run over them in memory, `save.rs`
//! writes what they changed. Deductions of books whose balances this replica remembers need no read:
//! `remembered.rs`.

mod audit;
mod held_lines;
mod keys;
mod ledger;
mod load;
mod remembered;
mod save;
mod stocks;
mod sums;

use std::sync::Arc;

use async_trait::async_trait;
use platform::combiner::Batch;
use platform::db::{Database, DbError, Recall, Remembered, Tx};
use types::BookId;

pub(crate) use audit::read_facts;

use remembered::Balances;

use super::{LedgerSums, Store, Sums};
use crate::audit::Audit;
use crate::domain::{Decision, Op, Rows, Stock};

/// Stock in a database of its own.
#[derive(Clone)]
pub struct SqlStore {
    database: Database,
    remembered: Arc<Remembered<Balances>>,
}

impl SqlStore {
    /// Stock in `database`, whose schema is up to date.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            remembered: Arc::default(),
        }
    }
}

async fn apply_in(
    tx: &mut Tx,
    batch: &[Op],
    recall: &Recall<Balances>,
) -> Result<Vec<Decision>, DbError> {
    let by_memory = recall
        .begin(|balances| balances.of(batch))
        .and_then(|stocks| decide_by_memory(batch, stocks));
    let (mut rows, decisions) = match by_memory {
        Some(decided) => decided,
        None => decide(load::load_rows(tx, batch).await?, batch),
    };
    let left = save::save_changes(tx, &mut rows).await?;
    recall.note(|balances| balances.note(&left));
    Ok(decisions)
}

fn decide(mut rows: Rows, batch: &[Op]) -> (Rows, Vec<Decision>) {
    let decisions = batch.iter().map(|op| rows.apply(op)).collect();
    (rows, decisions)
}

/// Decides a batch of deductions from remembered balances, as if every key were new.
///
/// A key that is not new fails its insert as a duplicate, and a balance that has changed fails the
/// compare-and-set of its update. So the decisions stand only if each operation inserts its key: a
/// refusal writes nothing that could be compared, and needs a read.
fn decide_by_memory(batch: &[Op], stocks: Vec<Stock>) -> Option<(Rows, Vec<Decision>)> {
    let mut rows = Rows::default();
    for stock in stocks {
        rows.put_stock(stock);
    }
    let (rows, decisions) = decide(rows, batch);
    let is_proved = rows.changes().keys.len() == batch.len();
    is_proved.then_some((rows, decisions))
}

#[async_trait]
impl Store for SqlStore {
    async fn apply(&self, batch: Batch<Op>) -> Result<Vec<Decision>, DbError> {
        let recall = Arc::new(self.remembered.recall());
        let decisions = self
            .database
            .write_keyed("apply_stock", batch.turn(), {
                let (batch, recall) = (batch.clone(), Arc::clone(&recall));
                move |tx| {
                    let (batch, recall) = (batch.clone(), Arc::clone(&recall));
                    Box::pin(async move { apply_in(tx, &batch, &recall).await })
                }
            })
            .await?;
        recall.end();
        Ok(decisions)
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

    async fn read_sums(&self, known: LedgerSums, settled_to: i64) -> Result<Sums, DbError> {
        self.database
            .read_long("read_stock_sums", move |tx| {
                Box::pin(sums::read_sums(tx, known, settled_to))
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
