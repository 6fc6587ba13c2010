//! The methods of `inventory.v1.InventoryService`: decode, call app, encode. No rule lives here.

mod decode;
mod encode;

use api::inventory::v1 as wire;
use api::inventory::v1::inventory_service_server::InventoryService;
use futures::future::join_all;
use platform::context::CallContext;
use platform::error::{Repeat, respond};
use tonic::{Request, Response, Status};

use crate::app::Inventory;
use crate::error::InventoryError;

/// The gRPC front end of [`Inventory`].
pub(crate) struct Grpc {
    inventory: Inventory,
}

impl Grpc {
    pub(crate) const fn new(inventory: Inventory) -> Self {
        Self { inventory }
    }
}

/// A change is safe to repeat where a key was given.
const fn repeat_with(key: &str) -> Repeat {
    if key.is_empty() {
        Repeat::Unsafe
    } else {
        Repeat::Safe
    }
}

#[tonic::async_trait]
impl InventoryService for Grpc {
    async fn restock_inventory(
        &self,
        request: Request<wire::RestockInventoryRequest>,
    ) -> Result<Response<wire::RestockInventoryResponse>, Status> {
        let context = CallContext::of(&request);
        let request = request.into_inner();
        let repeat = repeat_with(&request.idempotency_key);
        respond(&context, repeat, self.restock(&context, &request).await)
    }

    async fn get_stock(
        &self,
        request: Request<wire::GetStockRequest>,
    ) -> Result<Response<wire::GetStockResponse>, Status> {
        let context = CallContext::of(&request);
        let reply = self.get(&context, request.into_inner()).await;
        respond(&context, Repeat::Safe, reply)
    }

    async fn batch_get_stock(
        &self,
        request: Request<wire::BatchGetStockRequest>,
    ) -> Result<Response<wire::BatchGetStockResponse>, Status> {
        let context = CallContext::of(&request);
        respond(
            &context,
            Repeat::Safe,
            self.batch_get(&request.into_inner()).await,
        )
    }

    async fn deduct_stock(
        &self,
        request: Request<wire::DeductStockRequest>,
    ) -> Result<Response<wire::DeductStockResponse>, Status> {
        let context = CallContext::of(&request);
        respond(
            &context,
            Repeat::Safe,
            self.deduct(&context, &request.into_inner()).await,
        )
    }

    async fn release_stock(
        &self,
        request: Request<wire::ReleaseStockRequest>,
    ) -> Result<Response<wire::ReleaseStockResponse>, Status> {
        let context = CallContext::of(&request);
        let request = request.into_inner();
        let repeat = repeat_with(&request.idempotency_key);
        respond(&context, repeat, self.release(&context, &request).await)
    }

    async fn batch_deduct_stock(
        &self,
        request: Request<wire::BatchDeductStockRequest>,
    ) -> Result<Response<wire::BatchDeductStockResponse>, Status> {
        let context = CallContext::of(&request);
        respond(
            &context,
            Repeat::Safe,
            self.batch_deduct(&context, &request.into_inner()).await,
        )
    }

    async fn deduct_batches(
        &self,
        request: Request<wire::DeductBatchesRequest>,
    ) -> Result<Response<wire::DeductBatchesResponse>, Status> {
        let context = CallContext::of(&request);
        respond(
            &context,
            Repeat::Safe,
            self.deduct_each(&context, &request.into_inner()).await,
        )
    }

    async fn batch_release_stock(
        &self,
        request: Request<wire::BatchReleaseStockRequest>,
    ) -> Result<Response<wire::BatchReleaseStockResponse>, Status> {
        let context = CallContext::of(&request);
        respond(
            &context,
            Repeat::Safe,
            self.batch_release(&context, &request.into_inner()).await,
        )
    }

    async fn commit_stock(
        &self,
        request: Request<wire::CommitStockRequest>,
    ) -> Result<Response<wire::CommitStockResponse>, Status> {
        let context = CallContext::of(&request);
        respond(
            &context,
            Repeat::Safe,
            self.commit(&context, &request.into_inner()).await,
        )
    }
}

impl Grpc {
    async fn restock(
        &self,
        context: &CallContext,
        request: &wire::RestockInventoryRequest,
    ) -> Result<wire::RestockInventoryResponse, InventoryError> {
        let restock = decode::restock(request)?;
        let new_quantity = self.inventory.restock_inventory(context, restock).await?;
        Ok(wire::RestockInventoryResponse {
            new_quantity,
            ..Default::default()
        })
    }

    async fn get(
        &self,
        context: &CallContext,
        request: wire::GetStockRequest,
    ) -> Result<wire::GetStockResponse, InventoryError> {
        let stock = self
            .inventory
            .get_stock(decode::book(request.book_id)?, context.deadline)
            .await?;
        Ok(wire::GetStockResponse {
            stock: Some(encode::stock(&stock)),
            ..Default::default()
        })
    }

    async fn batch_get(
        &self,
        request: &wire::BatchGetStockRequest,
    ) -> Result<wire::BatchGetStockResponse, InventoryError> {
        let stocks = self
            .inventory
            .batch_get_stock(&decode::books(&request.book_ids)?)
            .await?;
        let stocks = stocks.iter().map(encode::stock).collect();
        Ok(wire::BatchGetStockResponse {
            stocks,
            ..Default::default()
        })
    }

    async fn deduct(
        &self,
        context: &CallContext,
        request: &wire::DeductStockRequest,
    ) -> Result<wire::DeductStockResponse, InventoryError> {
        let deduct = decode::deduct(request)?;
        let result = self.inventory.deduct_stock(context, deduct).await;
        encode::deducted(context.locale, result)
    }

    async fn release(
        &self,
        context: &CallContext,
        request: &wire::ReleaseStockRequest,
    ) -> Result<wire::ReleaseStockResponse, InventoryError> {
        let release = decode::release(request)?;
        let new_quantity = self.inventory.release_stock(context, release).await?;
        Ok(wire::ReleaseStockResponse {
            new_quantity,
            ..Default::default()
        })
    }

    async fn batch_deduct(
        &self,
        context: &CallContext,
        request: &wire::BatchDeductStockRequest,
    ) -> Result<wire::BatchDeductStockResponse, InventoryError> {
        let deduct = decode::batch_deduct(request)?;
        let result = self.inventory.batch_deduct_stock(context, deduct).await;
        encode::batch_deducted(context.locale, result)
    }

    async fn deduct_each(
        &self,
        context: &CallContext,
        request: &wire::DeductBatchesRequest,
    ) -> Result<wire::DeductBatchesResponse, InventoryError> {
        let deducts = decode::batches(request)?;
        let outcomes = deducts
            .into_iter()
            .map(|deduct| self.inventory.batch_deduct_stock(context, deduct));
        let outcomes = join_all(outcomes).await.into_iter();
        let replies = outcomes
            .map(|outcome| encode::one_of_batches(context.locale, outcome))
            .collect::<Result<_, _>>()?;
        Ok(wire::DeductBatchesResponse {
            replies,
            ..Default::default()
        })
    }

    async fn batch_release(
        &self,
        context: &CallContext,
        request: &wire::BatchReleaseStockRequest,
    ) -> Result<wire::BatchReleaseStockResponse, InventoryError> {
        let key = decode::key(&request.idempotency_key)?;
        let lines = self.inventory.batch_release_stock(context, key).await?;
        let released = lines.iter().map(encode::line).collect();
        Ok(wire::BatchReleaseStockResponse {
            released,
            ..Default::default()
        })
    }

    async fn commit(
        &self,
        context: &CallContext,
        request: &wire::CommitStockRequest,
    ) -> Result<wire::CommitStockResponse, InventoryError> {
        let key = decode::key(&request.idempotency_key)?;
        let lines = self.inventory.commit_stock(context, key).await?;
        let committed = lines.iter().map(encode::line).collect();
        Ok(wire::CommitStockResponse {
            committed,
            ..Default::default()
        })
    }
}
