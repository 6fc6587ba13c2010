//! Every RPC as a type: a request knows its method and its reply.

use futures::future::BoxFuture;
use tonic::{Request, Status};

use crate::clients::Clients;

/// A reply: every one carries a code and a message.
pub trait Answer: std::fmt::Debug + Clone + PartialEq + Send + 'static {
    /// 0, or a business code.
    fn code(&self) -> i32;
    /// The text for people.
    fn message(&self) -> &str;
}

/// The request of a call that has one reply.
pub trait Rpc: std::fmt::Debug + Clone + Send + Sync + 'static {
    /// What is answered.
    type Reply: Answer;
    /// The method, as `catalog.v1.CatalogService/GetBook`.
    const METHOD: &'static str;

    /// Makes the call.
    fn send(
        clients: Clients,
        request: Request<Self>,
    ) -> BoxFuture<'static, Result<Self::Reply, Status>>;
}

macro_rules! rpcs {
    ($($client:ident, $module:ident, $service:literal: $($call:ident $name:literal $request:ident => $reply:ident),+;)+) => {
        $($(
            impl Answer for api::$module::v1::$reply {
                fn code(&self) -> i32 {
                    self.code
                }

                fn message(&self) -> &str {
                    &self.message
                }
            }

            impl Rpc for api::$module::v1::$request {
                type Reply = api::$module::v1::$reply;
                const METHOD: &'static str = concat!($service, "/", $name);

                fn send(
                    mut clients: Clients,
                    request: Request<Self>,
                ) -> BoxFuture<'static, Result<Self::Reply, Status>> {
                    Box::pin(async move {
                        Ok(clients.$client.$call(request).await?.into_inner())
                    })
                }
            }
        )+)+
    };
}

rpcs! {
    catalog, catalog, "catalog.v1.CatalogService":
        publish_book "PublishBook" PublishBookRequest => PublishBookResponse,
        get_book "GetBook" GetBookRequest => GetBookResponse,
        list_books "ListBooks" ListBooksRequest => ListBooksResponse,
        search_books "SearchBooks" SearchBooksRequest => SearchBooksResponse,
        batch_get_books "BatchGetBooks" BatchGetBooksRequest => BatchGetBooksResponse,
        update_book "UpdateBook" UpdateBookRequest => UpdateBookResponse,
        unpublish_book "UnpublishBook" UnpublishBookRequest => UnpublishBookResponse;
    inventory, inventory, "inventory.v1.InventoryService":
        restock_inventory "RestockInventory" RestockInventoryRequest => RestockInventoryResponse,
        get_stock "GetStock" GetStockRequest => GetStockResponse,
        batch_get_stock "BatchGetStock" BatchGetStockRequest => BatchGetStockResponse,
        deduct_stock "DeductStock" DeductStockRequest => DeductStockResponse,
        release_stock "ReleaseStock" ReleaseStockRequest => ReleaseStockResponse,
        batch_deduct_stock "BatchDeductStock" BatchDeductStockRequest => BatchDeductStockResponse,
        deduct_batches "DeductBatches" DeductBatchesRequest => DeductBatchesResponse,
        batch_release_stock "BatchReleaseStock" BatchReleaseStockRequest => BatchReleaseStockResponse,
        commit_stock "CommitStock" CommitStockRequest => CommitStockResponse;
    order, order, "order.v1.OrderService":
        create_order "CreateOrder" CreateOrderRequest => CreateOrderResponse,
        get_order "GetOrder" GetOrderRequest => GetOrderResponse,
        list_orders "ListOrders" ListOrdersRequest => ListOrdersResponse,
        pay_order "PayOrder" PayOrderRequest => PayOrderResponse,
        cancel_order "CancelOrder" CancelOrderRequest => CancelOrderResponse,
        ship_order "ShipOrder" ShipOrderRequest => ShipOrderResponse,
        complete_order "CompleteOrder" CompleteOrderRequest => CompleteOrderResponse;
    payment, payment, "payment.v1.PaymentService":
        pay "Pay" PayRequest => PayResponse,
        get_payment_status "GetPaymentStatus" GetPaymentStatusRequest => GetPaymentStatusResponse,
        refund "Refund" RefundRequest => RefundResponse;
}
