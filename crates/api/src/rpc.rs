use std::fmt;

use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::{Request, Response, Status};

use crate::{Clients, Reply};

/// The request of a call that has one reply: it knows its method, and what is answered.
///
/// The feed of payments, a stream, is no such call.
pub trait Rpc: fmt::Debug + Clone + Send + Sync + Sized + 'static {
    /// What is answered.
    type Reply: Reply;

    /// The service, as `order`.
    const SERVICE: &'static str;

    /// The method, as `CreateOrder`.
    const METHOD: &'static str;

    /// The method with its service, as requests name it: `/order.v1.OrderService/CreateOrder`.
    const PATH: &'static str;

    /// Makes the call.
    fn send<T>(
        clients: &Clients<T>,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Reply>, Status>> + Send
    where
        T: GrpcService<Body, ResponseBody = Body, Error: Into<StdError>, Future: Send>,
        T: Clone + Send;
}

macro_rules! rpcs {
    ($($service:ident $name:literal: $($method:ident $call:ident $request:ident => $reply:ident),+;)+) => {
        $($(
            impl Rpc for crate::$service::v1::$request {
                type Reply = crate::$service::v1::$reply;

                const SERVICE: &'static str = stringify!($service);
                const METHOD: &'static str = stringify!($method);
                const PATH: &'static str = concat!("/", $name, "/", stringify!($method));

                fn send<T>(
                    clients: &Clients<T>,
                    request: Request<Self>,
                ) -> impl Future<Output = Result<Response<Self::Reply>, Status>> + Send
                where
                    T: GrpcService<Body, ResponseBody = Body, Error: Into<StdError>, Future: Send>,
                    T: Clone + Send,
                {
                    let mut client = clients.$service.clone();
                    async move { client.$call(request).await }
                }
            }

            impl Reply for crate::$service::v1::$reply {
                fn refused(code: i32, message: String) -> Self {
                    let mut reply = Self::default();
                    reply.code = code;
                    reply.message = message;
                    reply
                }

                fn with_message(mut self, message: String) -> Self {
                    self.message = message;
                    self
                }

                fn code(&self) -> i32 {
                    self.code
                }

                fn message(&self) -> &str {
                    &self.message
                }
            }
        )+)+

        /// The path, request and reply of each call, for the tests that none is missing.
        #[cfg(test)]
        pub(crate) const RPCS: &[[&str; 3]] = &[$($([
            <crate::$service::v1::$request>::PATH,
            concat!(".", stringify!($service), ".v1.", stringify!($request)),
            concat!(".", stringify!($service), ".v1.", stringify!($reply)),
        ]),+),+];
    };
}

rpcs! {
    catalog "catalog.v1.CatalogService":
        PublishBook publish_book PublishBookRequest => PublishBookResponse,
        GetBook get_book GetBookRequest => GetBookResponse,
        ListBooks list_books ListBooksRequest => ListBooksResponse,
        SearchBooks search_books SearchBooksRequest => SearchBooksResponse,
        BatchGetBooks batch_get_books BatchGetBooksRequest => BatchGetBooksResponse,
        UpdateBook update_book UpdateBookRequest => UpdateBookResponse,
        UnpublishBook unpublish_book UnpublishBookRequest => UnpublishBookResponse;
    inventory "inventory.v1.InventoryService":
        RestockInventory restock_inventory RestockInventoryRequest => RestockInventoryResponse,
        GetStock get_stock GetStockRequest => GetStockResponse,
        BatchGetStock batch_get_stock BatchGetStockRequest => BatchGetStockResponse,
        DeductStock deduct_stock DeductStockRequest => DeductStockResponse,
        ReleaseStock release_stock ReleaseStockRequest => ReleaseStockResponse,
        BatchDeductStock batch_deduct_stock BatchDeductStockRequest => BatchDeductStockResponse,
        DeductBatches deduct_batches DeductBatchesRequest => DeductBatchesResponse,
        BatchReleaseStock batch_release_stock BatchReleaseStockRequest => BatchReleaseStockResponse,
        CommitStock commit_stock CommitStockRequest => CommitStockResponse;
    order "order.v1.OrderService":
        CreateOrder create_order CreateOrderRequest => CreateOrderResponse,
        GetOrder get_order GetOrderRequest => GetOrderResponse,
        ListOrders list_orders ListOrdersRequest => ListOrdersResponse,
        PayOrder pay_order PayOrderRequest => PayOrderResponse,
        CancelOrder cancel_order CancelOrderRequest => CancelOrderResponse,
        ShipOrder ship_order ShipOrderRequest => ShipOrderResponse,
        CompleteOrder complete_order CompleteOrderRequest => CompleteOrderResponse;
    payment "payment.v1.PaymentService":
        Pay pay PayRequest => PayResponse,
        GetPaymentStatus get_payment_status GetPaymentStatusRequest => GetPaymentStatusResponse,
        Refund refund RefundRequest => RefundResponse;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::RPCS;

    #[test]
    fn every_method_with_one_reply_is_listed() {
        let set = FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
        let mut in_protos = BTreeSet::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    if method.client_streaming() || method.server_streaming() {
                        continue;
                    }
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let [request, reply] = [method.input_type(), method.output_type()];
                    in_protos.insert([path, request.to_owned(), reply.to_owned()]);
                }
            }
        }
        let listed = RPCS.iter().map(|rpc| rpc.map(str::to_owned)).collect();
        assert_eq!(in_protos, listed);
    }
}
