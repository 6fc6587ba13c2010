//! Calls of people: every request knows its method and its reply.

use api::catalog::v1::catalog_service_client::CatalogServiceClient;
use api::inventory::v1::inventory_service_client::InventoryServiceClient;
use api::order::v1::order_service_client::OrderServiceClient;
use api::payment::v1::payment_service_client::PaymentServiceClient;
use futures::future::BoxFuture;
use platform::net::Transport;
use tonic::{Request, Status};

use crate::step::Method;

/// One client a service.
#[derive(Clone)]
pub(crate) struct Clients {
    catalog: CatalogServiceClient<Transport>,
    inventory: InventoryServiceClient<Transport>,
    order: OrderServiceClient<Transport>,
    payment: PaymentServiceClient<Transport>,
}

impl Clients {
    /// Clients on the ways to catalog, inventory, order and payment.
    pub(crate) fn over([catalog, inventory, order, payment]: [Transport; 4]) -> Self {
        Self {
            catalog: CatalogServiceClient::new(catalog),
            inventory: InventoryServiceClient::new(inventory),
            order: OrderServiceClient::new(order),
            payment: PaymentServiceClient::new(payment),
        }
    }
}

/// A request of a call that has one reply.
pub(crate) trait Ask: std::fmt::Debug + Clone + Send + Sync + 'static {
    /// What is answered; every answer carries a code.
    type Reply: std::fmt::Debug + Send;
    /// The method.
    const METHOD: Method;

    /// The code of an answer.
    fn code(reply: &Self::Reply) -> i32;

    /// Makes the call.
    fn send(
        clients: Clients,
        request: Request<Self>,
    ) -> BoxFuture<'static, Result<Self::Reply, Status>>;
}

macro_rules! asks {
    ($($client:ident: $($call:ident $method:ident $request:ident => $reply:ident),+;)+) => {
        $($(
            impl Ask for api::$client::v1::$request {
                type Reply = api::$client::v1::$reply;
                const METHOD: Method = Method::$method;

                fn code(reply: &Self::Reply) -> i32 {
                    reply.code
                }

                fn send(
                    mut clients: Clients,
                    request: Request<Self>,
                ) -> BoxFuture<'static, Result<Self::Reply, Status>> {
                    Box::pin(async move { Ok(clients.$client.$call(request).await?.into_inner()) })
                }
            }
        )+)+
    };
}

asks! {
    catalog:
        publish_book PublishBook PublishBookRequest => PublishBookResponse,
        update_book UpdateBook UpdateBookRequest => UpdateBookResponse,
        unpublish_book UnpublishBook UnpublishBookRequest => UnpublishBookResponse;
    inventory:
        restock_inventory RestockInventory RestockInventoryRequest => RestockInventoryResponse,
        deduct_stock DeductStock DeductStockRequest => DeductStockResponse,
        release_stock ReleaseStock ReleaseStockRequest => ReleaseStockResponse,
        batch_deduct_stock BatchDeductStock BatchDeductStockRequest => BatchDeductStockResponse,
        deduct_batches DeductBatches DeductBatchesRequest => DeductBatchesResponse,
        batch_release_stock BatchReleaseStock BatchReleaseStockRequest => BatchReleaseStockResponse,
        commit_stock CommitStock CommitStockRequest => CommitStockResponse;
    order:
        create_order CreateOrder CreateOrderRequest => CreateOrderResponse,
        pay_order PayOrder PayOrderRequest => PayOrderResponse,
        cancel_order CancelOrder CancelOrderRequest => CancelOrderResponse,
        ship_order ShipOrder ShipOrderRequest => ShipOrderResponse,
        complete_order CompleteOrder CompleteOrderRequest => CompleteOrderResponse;
    payment:
        pay Pay PayRequest => PayResponse,
        refund Refund RefundRequest => RefundResponse;
}
