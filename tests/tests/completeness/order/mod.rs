//! The orders' cells.

mod cancel_order;
mod complete_order;
mod create_order;
mod get_order;
mod list_orders;
mod pay_order;
mod ship_order;

use api::order::v1::CompleteOrderRequest;
use bookstore_e2e::Clients;

use crate::table::Cell;

/// A number that no order has.
const NOBODY: &str = "ORD19700101000000000001";

const NO_ORDER: (&str, &str) = ("订单不存在", "order not found");

pub(crate) fn cells() -> Vec<Cell> {
    [
        create_order::cells(),
        get_order::cells(),
        list_orders::cells(),
        pay_order::cells(),
        cancel_order::cells(),
        ship_order::cells(),
        complete_order::cells(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The call is refused because the state machine has no such arrow, in both languages.
async fn illegal<M: api::Rpc>(
    clients: &Clients,
    request: M,
    from: &str,
    to: &str,
) -> anyhow::Result<()> {
    let chinese = format!("不允许从 {from} 转换到 {to}");
    let english = format!("cannot go from {from} to {to}");
    clients.refused(request, 40900, &chinese, &english).await?;
    Ok(())
}

fn complete(order_no: &str) -> CompleteOrderRequest {
    CompleteOrderRequest {
        order_no: order_no.to_owned(),
    }
}
