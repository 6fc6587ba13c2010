use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;

use crate::catalog::v1::catalog_service_client::CatalogServiceClient;
use crate::inventory::v1::inventory_service_client::InventoryServiceClient;
use crate::order::v1::order_service_client::OrderServiceClient;
use crate::payment::v1::payment_service_client::PaymentServiceClient;

/// A page of 100 books with the longest descriptions fits.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One client a service; clones share their connections.
///
/// [`Rpc::send`](crate::Rpc::send) makes a call through the one that its request belongs to.
#[derive(Debug, Clone)]
pub struct Clients<T> {
    /// Books.
    pub catalog: CatalogServiceClient<T>,
    /// Stock.
    pub inventory: InventoryServiceClient<T>,
    /// Orders.
    pub order: OrderServiceClient<T>,
    /// Money.
    pub payment: PaymentServiceClient<T>,
}

impl<T> Clients<T>
where
    T: GrpcService<Body, ResponseBody = Body, Error: Into<StdError>>,
{
    /// Clients on the ways to catalog, inventory, order and payment.
    pub fn new([catalog, inventory, order, payment]: [T; 4]) -> Self {
        Self {
            catalog: CatalogServiceClient::new(catalog).max_decoding_message_size(REPLY_BYTES_MAX),
            inventory: InventoryServiceClient::new(inventory),
            order: OrderServiceClient::new(order).max_decoding_message_size(REPLY_BYTES_MAX),
            payment: PaymentServiceClient::new(payment),
        }
    }
}
