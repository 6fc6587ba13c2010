use platform::context::CallContext;
use types::IdempotencyKey;

use super::Inventory;
use crate::domain::{
    Answer, BatchDeduct, Command, Deduct, Line, Op, Refusal, Release, Restock, Stock,
};
use crate::error::InventoryError;

impl Inventory {
    /// Adds copies; returns how many are free afterwards.
    pub(crate) async fn restock_inventory(
        &self,
        context: &CallContext,
        restock: Restock,
    ) -> Result<i32, InventoryError> {
        quantity_of(self.change(context, restock.into()).await?)
    }

    /// Reserves copies of one book; returns how many remain free.
    pub(crate) async fn deduct_stock(
        &self,
        context: &CallContext,
        deduct: Deduct,
    ) -> Result<i32, InventoryError> {
        quantity_of(self.change(context, deduct.into()).await?)
    }

    /// Gives back what [`Self::deduct_stock`] reserved; returns how many are free afterwards.
    pub(crate) async fn release_stock(
        &self,
        context: &CallContext,
        release: Release,
    ) -> Result<i32, InventoryError> {
        quantity_of(self.change(context, release.into()).await?)
    }

    /// Reserves copies of several books, all or nothing; returns the resulting balances.
    pub(crate) async fn batch_deduct_stock(
        &self,
        context: &CallContext,
        deduct: BatchDeduct,
    ) -> Result<Vec<Stock>, InventoryError> {
        stocks_of(self.change(context, deduct.into()).await?)
    }

    /// Releases everything outstanding under `key` and fences the key; returns what was released.
    pub(crate) async fn batch_release_stock(
        &self,
        context: &CallContext,
        key: IdempotencyKey,
    ) -> Result<Vec<Line>, InventoryError> {
        lines_of(self.change(context, Command::BatchRelease(key)).await?)
    }

    /// Commits everything outstanding under `key`: the copies leave for good. Returns what left.
    pub(crate) async fn commit_stock(
        &self,
        context: &CallContext,
        key: IdempotencyKey,
    ) -> Result<Vec<Line>, InventoryError> {
        lines_of(self.change(context, Command::Commit(key)).await?)
    }

    /// Submits one command to the combiner. It takes effect wholly or not at all, even if the caller
    /// goes away.
    async fn change(
        &self,
        context: &CallContext,
        command: Command,
    ) -> Result<Answer, InventoryError> {
        let op = Op {
            at: self.clock.now(),
            command,
        };
        let decision = self.writer.submit(op, context.deadline).await?;
        decision.map_err(|refusal| {
            let reason = reason_of(refusal);
            metrics::counter!("bookstore_inventory_refusals_total", "reason" => reason)
                .increment(1);
            InventoryError::Refused(refusal)
        })
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "answers are taken apart, like those below"
)]
fn quantity_of(answer: Answer) -> Result<i32, InventoryError> {
    match answer {
        Answer::Quantity(quantity) => Ok(quantity),
        Answer::Stocks(_) | Answer::Lines(_) => Err(InventoryError::WrongAnswer),
    }
}

fn stocks_of(answer: Answer) -> Result<Vec<Stock>, InventoryError> {
    match answer {
        Answer::Stocks(stocks) => Ok(stocks),
        Answer::Quantity(_) | Answer::Lines(_) => Err(InventoryError::WrongAnswer),
    }
}

fn lines_of(answer: Answer) -> Result<Vec<Line>, InventoryError> {
    match answer {
        Answer::Lines(lines) => Ok(lines),
        Answer::Quantity(_) | Answer::Stocks(_) => Err(InventoryError::WrongAnswer),
    }
}

/// A refusal as the label of a metric.
const fn reason_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::KeyConflict => "key_conflict",
        Refusal::Cancelled => "cancelled",
        Refusal::Insufficient { .. } => "insufficient",
        Refusal::StockNotFound => "stock_not_found",
        Refusal::ReleaseExceedsDeducted => "release_exceeds_deducted",
        Refusal::TooManyCopies => "too_many_copies",
        Refusal::Inconsistent { .. } => "inconsistent",
    }
}
