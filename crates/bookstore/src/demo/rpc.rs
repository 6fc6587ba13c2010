//! The calls of the demonstration: what each is called on stage, and how it is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use api::Reply;
use api::catalog::v1::{
    BatchGetBooksRequest, BatchGetBooksResponse, GetBookRequest, GetBookResponse, ListBooksRequest,
    ListBooksResponse, PublishBookRequest, PublishBookResponse, UnpublishBookRequest,
    UnpublishBookResponse,
};
use api::inventory::v1::{
    DeductStockRequest, DeductStockResponse, GetStockRequest, GetStockResponse,
    ReleaseStockRequest, ReleaseStockResponse, RestockInventoryRequest, RestockInventoryResponse,
};
use api::order::v1::{
    CancelOrderRequest, CancelOrderResponse, CompleteOrderRequest, CompleteOrderResponse,
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse, PayOrderRequest, PayOrderResponse, ShipOrderRequest, ShipOrderResponse,
};
use api::payment::v1::{
    GetPaymentStatusRequest, GetPaymentStatusResponse, PayRequest, PayResponse, RefundRequest,
    RefundResponse,
};
use platform::context::CallContext;
use platform::deadline::Deadline;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};
use types::Locale;

use crate::clients::Clients;

/// A request of the contract.
pub(super) trait Rpc: fmt::Debug + Clone {
    type Reply: Reply + fmt::Debug;

    /// The service and the method, as they are shown: `order.CreateOrder`.
    const NAME: &'static str;

    async fn send(
        clients: Clients,
        request: Request<Self>,
    ) -> Result<Response<Self::Reply>, Status>;
}

macro_rules! rpcs {
    ($($name:literal: $request:ident -> $reply:ident by $service:ident.$method:ident;)+) => {
        $(
            impl Rpc for $request {
                type Reply = $reply;

                const NAME: &'static str = $name;

                async fn send(
                    mut clients: Clients,
                    request: Request<Self>,
                ) -> Result<Response<$reply>, Status> {
                    clients.$service.$method(request).await
                }
            }
        )+
    };
}

rpcs! {
    "catalog.PublishBook": PublishBookRequest -> PublishBookResponse by catalog.publish_book;
    "catalog.GetBook": GetBookRequest -> GetBookResponse by catalog.get_book;
    "catalog.ListBooks": ListBooksRequest -> ListBooksResponse by catalog.list_books;
    "catalog.BatchGetBooks": BatchGetBooksRequest -> BatchGetBooksResponse by catalog.batch_get_books;
    "catalog.UnpublishBook": UnpublishBookRequest -> UnpublishBookResponse by catalog.unpublish_book;
    "inventory.RestockInventory": RestockInventoryRequest -> RestockInventoryResponse by inventory.restock_inventory;
    "inventory.GetStock": GetStockRequest -> GetStockResponse by inventory.get_stock;
    "inventory.DeductStock": DeductStockRequest -> DeductStockResponse by inventory.deduct_stock;
    "inventory.ReleaseStock": ReleaseStockRequest -> ReleaseStockResponse by inventory.release_stock;
    "order.CreateOrder": CreateOrderRequest -> CreateOrderResponse by order.create_order;
    "order.GetOrder": GetOrderRequest -> GetOrderResponse by order.get_order;
    "order.ListOrders": ListOrdersRequest -> ListOrdersResponse by order.list_orders;
    "order.PayOrder": PayOrderRequest -> PayOrderResponse by order.pay_order;
    "order.CancelOrder": CancelOrderRequest -> CancelOrderResponse by order.cancel_order;
    "order.ShipOrder": ShipOrderRequest -> ShipOrderResponse by order.ship_order;
    "order.CompleteOrder": CompleteOrderRequest -> CompleteOrderResponse by order.complete_order;
    "payment.Pay": PayRequest -> PayResponse by payment.pay;
    "payment.GetPaymentStatus": GetPaymentStatusRequest -> GetPaymentStatusResponse by payment.get_payment_status;
    "payment.Refund": RefundRequest -> RefundResponse by payment.refund;
}

/// A call that was not answered by a reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("{:?}: {}", .0.code(), .0.message())]
    Status(Box<Status>),
    #[error("no answer in time")]
    Late,
}

/// Makes calls: in one language, all under one request id, each within `limit`.
pub(super) struct Caller {
    clients: Clients,
    locale: Locale,
    limit: Duration,
    run: Arc<str>,
}

impl Caller {
    pub(super) fn new(clients: Clients, locale: Locale, limit: Duration) -> Self {
        let run = CallContext::background("demo", limit).request_id;
        Self {
            clients,
            locale,
            limit,
            run,
        }
    }

    /// The request id of every call: new for each caller, so keys made of it are new as well.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    pub(super) async fn ask<M: Rpc>(&self, message: M) -> Result<M::Reply, NoAnswer> {
        let mut request = Request::new(message);
        request.set_timeout(self.limit);
        let language = match self.locale {
            Locale::Zh => "zh",
            Locale::En => "en",
        };
        request
            .metadata_mut()
            .insert("accept-language", MetadataValue::from_static(language));
        if let Ok(id) = self.run.parse() {
            request.metadata_mut().insert("x-request-id", id);
        }
        let sent = M::send(self.clients.clone(), request);
        match Deadline::after(self.limit).within(sent).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(NoAnswer::Status(Box::new(status))),
            Err(_) => Err(NoAnswer::Late),
        }
    }
}
