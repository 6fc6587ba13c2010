//! The payments' cells. Each pays an order of its own: money for no order is sent back at once.

mod get_payment_status;
mod pay;
mod refund;
mod watch_payments;

use api::payment::v1::RefundRequest;
use bookstore_e2e::Clients;
use bookstore_e2e::goods::Placed;

use crate::table::Cell;

/// An order that nobody ever paid for.
const NOBODY: u64 = 1 << 49;

pub(crate) fn cells() -> Vec<Cell> {
    [
        pay::cells(),
        get_payment_status::cells(),
        refund::cells(),
        watch_payments::cells(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn paid_and_refunded(clients: &Clients) -> anyhow::Result<Placed> {
    let placed = clients.paid().await?;
    clients
        .done(RefundRequest {
            order_id: placed.id,
        })
        .await?;
    Ok(placed)
}
