//! The wire: decodes and checks the shape of a request, calls the use case, encodes its answer.
//! No rule lives here.

mod decode;
mod encode;

use std::sync::Arc;

use api::order::v1::order_service_server::OrderService;
use api::order::v1::{
    CancelOrderRequest, CancelOrderResponse, CompleteOrderRequest, CompleteOrderResponse,
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse, PayOrderRequest, PayOrderResponse, ShipOrderRequest, ShipOrderResponse,
};
use platform::context::CallContext;
use platform::error::{Repeat, respond};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::error::OrderError;

/// The generated service over the use cases.
pub(crate) struct OrderGrpc(pub(crate) Arc<App>);

#[tonic::async_trait]
impl OrderService for OrderGrpc {
    async fn create_order(
        &self,
        request: Request<CreateOrderRequest>,
    ) -> Result<Response<CreateOrderResponse>, Status> {
        let context = CallContext::of(&request);
        let message = request.into_inner();
        let keyed = !message.idempotency_key.is_empty();
        let answer = async {
            let wanted = decode::create_order(&message)?;
            let created = self.0.create_order(&context, wanted).await?;
            Ok::<_, OrderError>(encode::created(&created))
        };
        respond(
            &context,
            if keyed { Repeat::Safe } else { Repeat::Unsafe },
            answer.await,
        )
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let context = CallContext::of(&request);
        let answer = async {
            let order_no = decode::order_no(&request.get_ref().order_no)?;
            let detail = self.0.find_shown(&context, &order_no).await?;
            Ok::<_, OrderError>(encode::found(detail, context.locale))
        };
        respond(&context, Repeat::Safe, answer.await)
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let context = CallContext::of(&request);
        let answer = async {
            let (filter, page) = decode::list_orders(request.get_ref())?;
            let (orders, total) = self.0.list_orders(filter, page).await?;
            Ok::<_, OrderError>(encode::listed(orders, total, context.locale))
        };
        respond(&context, Repeat::Safe, answer.await)
    }

    async fn pay_order(
        &self,
        request: Request<PayOrderRequest>,
    ) -> Result<Response<PayOrderResponse>, Status> {
        let context = CallContext::of(&request);
        let answer = async {
            let wanted = decode::pay_order(request.get_ref())?;
            let paid = self.0.pay_order(&context, wanted).await?;
            Ok::<_, OrderError>(encode::paid(paid, context.locale))
        };
        // An order is charged once, however often the call is repeated.
        respond(&context, Repeat::Safe, answer.await)
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        let context = CallContext::of(&request);
        let answer = async {
            let (order_no, reason) = decode::cancel_order(request.get_ref())?;
            let refund_no = self.0.cancel_order(&context, order_no, reason).await?;
            Ok::<_, OrderError>(encode::cancelled(refund_no))
        };
        respond(&context, Repeat::Safe, answer.await)
    }

    async fn ship_order(
        &self,
        request: Request<ShipOrderRequest>,
    ) -> Result<Response<ShipOrderResponse>, Status> {
        let context = CallContext::of(&request);
        let answer = async {
            let order_no = decode::order_no(&request.get_ref().order_no)?;
            self.0.ship_order(&context, order_no).await?;
            Ok::<_, OrderError>(ShipOrderResponse::default())
        };
        respond(&context, Repeat::Safe, answer.await)
    }

    async fn complete_order(
        &self,
        request: Request<CompleteOrderRequest>,
    ) -> Result<Response<CompleteOrderResponse>, Status> {
        let context = CallContext::of(&request);
        let answer = async {
            let order_no = decode::order_no(&request.get_ref().order_no)?;
            self.0.complete_order(&context, order_no).await?;
            Ok::<_, OrderError>(CompleteOrderResponse::default())
        };
        respond(&context, Repeat::Safe, answer.await)
    }
}
