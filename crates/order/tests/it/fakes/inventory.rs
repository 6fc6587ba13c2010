use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use api::Reply;
use api::inventory::v1::inventory_service_server::{InventoryService, InventoryServiceServer};
use api::inventory::v1::*;
use platform::net::Transport;
use tokio::sync::Notify;
use tonic::{Request, Response, Status};

use super::{Act, Script, deliver, lock, lost, unused_methods};

/// Stock with holds and fences.
#[derive(Debug, Default)]
pub(crate) struct FakeInventory {
    pub(crate) deducts: Script,
    pub(crate) releases: Script,
    pub(crate) commits: Script,
    /// Reads of a balance; one that is delayed waits until the test lets it go on.
    pub(crate) reads: Script,
    pub(crate) looking: Notify,
    pub(crate) go_on: Notify,
    stock: Mutex<Stocks>,
    delayed: Mutex<Vec<StockBatch>>,
}

#[derive(Debug, Default)]
struct Stocks {
    free: BTreeMap<u64, i32>,
    held: BTreeMap<String, Vec<StockItem>>,
    committed: BTreeMap<String, Vec<StockItem>>,
    /// How often each was released.
    released: BTreeMap<String, usize>,
    knows_the_contract_alone: bool,
}

impl Stocks {
    fn deduct(&mut self, request: &StockBatch) -> BatchDeductStockResponse {
        let key = &request.idempotency_key;
        if self.released.contains_key(key) {
            return BatchDeductStockResponse::refused(40904, String::new());
        }
        if self.held.contains_key(key) || self.committed.contains_key(key) {
            return BatchDeductStockResponse::default();
        }
        let free = |book: u64| self.free.get(&book).copied().unwrap_or(0);
        if let Some(short) = request
            .items
            .iter()
            .find(|item| free(item.book_id) < item.quantity)
        {
            let mut refusal = BatchDeductStockResponse::refused(40100, String::new());
            refusal.failed_book_id = short.book_id;
            return refusal;
        }
        for item in &request.items {
            *self.free.entry(item.book_id).or_default() -= item.quantity;
        }
        self.held.insert(key.clone(), request.items.clone());
        BatchDeductStockResponse::default()
    }

    fn release(&mut self, key: &str) {
        *self.released.entry(key.to_owned()).or_default() += 1;
        for item in self.held.remove(key).unwrap_or_default() {
            *self.free.entry(item.book_id).or_default() += item.quantity;
        }
    }
}

impl FakeInventory {
    pub(crate) fn restock(&self, book: u64, copies: i32) {
        *lock(&self.stock).free.entry(book).or_default() += copies;
    }

    pub(crate) fn free(&self, book: u64) -> i32 {
        lock(&self.stock).free.get(&book).copied().unwrap_or(0)
    }

    /// What is held under an order's number, in copies.
    pub(crate) fn held(&self, order_no: &str) -> i32 {
        let stock = lock(&self.stock);
        stock
            .held
            .get(order_no)
            .map_or(0, |items| items.iter().map(|item| item.quantity).sum())
    }

    /// Deducts under an order's number, as a creator did that is no more.
    pub(crate) fn hold(&self, order_no: &str, lines: &[(u64, i32)]) {
        let item = |(book_id, quantity): &(u64, i32)| StockItem {
            book_id: *book_id,
            quantity: *quantity,
        };
        let request = StockBatch {
            idempotency_key: order_no.to_owned(),
            reference_id: 1,
            items: lines.iter().map(item).collect(),
        };
        assert_eq!(lock(&self.stock).deduct(&request).code, 0);
    }

    /// How often the hold of an order was released.
    pub(crate) fn releases_of(&self, order_no: &str) -> usize {
        let stock = lock(&self.stock);
        stock.released.get(order_no).copied().unwrap_or(0)
    }

    /// What is held in all.
    pub(crate) fn held_in_all(&self) -> i32 {
        let stock = lock(&self.stock);
        stock
            .held
            .values()
            .flatten()
            .map(|item| item.quantity)
            .sum()
    }

    pub(crate) fn is_committed(&self, order_no: &str) -> bool {
        lock(&self.stock).committed.contains_key(order_no)
    }

    pub(crate) fn is_fenced(&self, order_no: &str) -> bool {
        lock(&self.stock).released.contains_key(order_no)
    }

    /// Lets the delayed deductions arrive; answers their codes.
    pub(crate) fn deliver_delayed(&self) -> Vec<i32> {
        let delayed = std::mem::take(&mut *lock(&self.delayed));
        delayed
            .iter()
            .map(|request| lock(&self.stock).deduct(request).code)
            .collect()
    }

    /// Has it know no method that is not in the contract.
    pub(crate) fn keep_to_the_contract(&self) {
        lock(&self.stock).knows_the_contract_alone = true;
    }

    /// What one call is answered, and how that is to be delivered.
    async fn deduct_as_told(
        &self,
        batches: Vec<StockBatch>,
    ) -> Result<(Act, Vec<BatchDeductStockResponse>), Status> {
        let act = self.deducts.act().await?;
        if act == Act::Delay {
            lock(&self.delayed).extend(batches);
            return Err(lost());
        }
        let replies = batches.iter().map(|batch| match act {
            Act::Refuse(code) => BatchDeductStockResponse::refused(code, "no".to_owned()),
            _ => lock(&self.stock).deduct(batch),
        });
        Ok((act, replies.collect()))
    }

    pub(crate) fn transport(self: &Arc<Self>) -> Transport {
        Transport::new(InventoryServiceServer::from_arc(Arc::clone(self)))
    }
}

#[tonic::async_trait]
impl InventoryService for FakeInventory {
    async fn batch_deduct_stock(
        &self,
        request: Request<BatchDeductStockRequest>,
    ) -> Result<Response<BatchDeductStockResponse>, Status> {
        let batch = request.into_inner().into();
        let (act, mut replies) = self.deduct_as_told(vec![batch]).await?;
        deliver(act, replies.remove(0))
    }

    async fn deduct_batches(
        &self,
        request: Request<DeductBatchesRequest>,
    ) -> Result<Response<DeductBatchesResponse>, Status> {
        if lock(&self.stock).knows_the_contract_alone {
            return Err(Status::unimplemented("no such method"));
        }
        let (act, replies) = self.deduct_as_told(request.into_inner().batches).await?;
        let reply = DeductBatchesResponse {
            replies,
            ..Default::default()
        };
        deliver(act, reply)
    }

    async fn batch_release_stock(
        &self,
        request: Request<BatchReleaseStockRequest>,
    ) -> Result<Response<BatchReleaseStockResponse>, Status> {
        match self.releases.act().await? {
            Act::Refuse(code) => deliver(
                Act::Serve,
                BatchReleaseStockResponse::refused(code, "no".to_owned()),
            ),
            act => {
                lock(&self.stock).release(&request.get_ref().idempotency_key);
                deliver(act, BatchReleaseStockResponse::default())
            }
        }
    }

    async fn commit_stock(
        &self,
        request: Request<CommitStockRequest>,
    ) -> Result<Response<CommitStockResponse>, Status> {
        match self.commits.act().await? {
            Act::Refuse(code) => deliver(
                Act::Serve,
                CommitStockResponse::refused(code, "no".to_owned()),
            ),
            act => {
                let mut stock = lock(&self.stock);
                let key = request.into_inner().idempotency_key;
                if let Some(items) = stock.held.remove(&key) {
                    stock.committed.insert(key, items);
                }
                deliver(act, CommitStockResponse::default())
            }
        }
    }

    async fn get_stock(
        &self,
        request: Request<GetStockRequest>,
    ) -> Result<Response<GetStockResponse>, Status> {
        let act = self.reads.act().await?;
        if act == Act::Delay {
            self.looking.notify_one();
            self.go_on.notified().await;
        }
        let book_id = request.into_inner().book_id;
        let free = lock(&self.stock).free.get(&book_id).copied();
        let reply = match free {
            Some(quantity) => GetStockResponse {
                stock: Some(Stock {
                    book_id,
                    quantity,
                    ..Default::default()
                }),
                ..Default::default()
            },
            None => GetStockResponse::refused(40402, String::new()),
        };
        deliver(act, reply)
    }

    unused_methods! {
        restock_inventory: RestockInventoryRequest => RestockInventoryResponse;
        batch_get_stock: BatchGetStockRequest => BatchGetStockResponse;
        deduct_stock: DeductStockRequest => DeductStockResponse;
        release_stock: ReleaseStockRequest => ReleaseStockResponse;
    }
}
