//! The inventory's cells.

mod batch_deduct_stock;
mod batch_get_stock;
mod batch_release_stock;
mod commit_stock;
mod deduct_batches;
mod deduct_stock;
mod get_stock;
mod release_stock;
mod restock_inventory;

use anyhow::ensure;
use api::inventory::v1::{
    BatchDeductStockRequest, BatchReleaseStockRequest, CommitStockRequest, DeductStockRequest,
    ReleaseStockRequest, RestockInventoryRequest, StockItem,
};
use bookstore_e2e::Clients;

use crate::table::Cell;

/// A book that nobody ever stocked.
const NOBODY: u64 = 1 << 51;

const CONFLICT: (&str, &str) = ("幂等键冲突", "idempotency key conflict");

const SHORT: (&str, &str) = ("库存不足", "insufficient stock");

const FENCED: (&str, &str) = ("该扣减已被取消", "deduction was cancelled");

const NO_RECORD: (&str, &str) = ("库存记录不存在", "stock record not found");

pub(crate) fn cells() -> Vec<Cell> {
    [
        restock_inventory::cells(),
        get_stock::cells(),
        batch_get_stock::cells(),
        deduct_stock::cells(),
        release_stock::cells(),
        batch_deduct_stock::cells(),
        deduct_batches::cells(),
        batch_release_stock::cells(),
        commit_stock::cells(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Ends a hold: one that is left belongs to no order, and the auditor would ask whose it is.
async fn settle(clients: &Clients, key: &str) -> anyhow::Result<()> {
    clients.done(commit_of(key)).await?;
    Ok(())
}

/// The same request twice answers the same twice.
async fn twice<M: api::Rpc>(clients: &Clients, request: M) -> anyhow::Result<()> {
    let first = clients.done(request.clone()).await?;
    let second = clients.done(request).await?;
    ensure!(first == second, "{first:?}, then {second:?}");
    Ok(())
}

async fn conflict<M: api::Rpc>(clients: &Clients, request: M) -> anyhow::Result<()> {
    clients
        .refused(request, 40901, CONFLICT.0, CONFLICT.1)
        .await?;
    Ok(())
}

fn restock_of(book_id: u64, quantity: i32, key: &str) -> RestockInventoryRequest {
    RestockInventoryRequest {
        book_id,
        quantity,
        idempotency_key: key.to_owned(),
    }
}

fn deduct_of(book_id: u64, quantity: i32, reference_id: u64, key: &str) -> DeductStockRequest {
    DeductStockRequest {
        book_id,
        quantity,
        reference_id,
        idempotency_key: key.to_owned(),
    }
}

fn release_of(book_id: u64, quantity: i32, reference_id: u64, key: &str) -> ReleaseStockRequest {
    ReleaseStockRequest {
        book_id,
        quantity,
        reference_id,
        idempotency_key: key.to_owned(),
    }
}

fn batch_of(key: &str, reference_id: u64, items: &[(u64, i32)]) -> BatchDeductStockRequest {
    let items = items
        .iter()
        .map(|&(book, quantity)| item(book, quantity))
        .collect();
    BatchDeductStockRequest {
        idempotency_key: key.to_owned(),
        reference_id,
        items,
    }
}

fn release_all_of(key: &str) -> BatchReleaseStockRequest {
    BatchReleaseStockRequest {
        idempotency_key: key.to_owned(),
    }
}

fn commit_of(key: &str) -> CommitStockRequest {
    CommitStockRequest {
        idempotency_key: key.to_owned(),
    }
}

const fn item(book_id: u64, quantity: i32) -> StockItem {
    StockItem { book_id, quantity }
}
