//! The cells of `WatchPayments`.

use anyhow::{Context, ensure};
use bookstore_e2e::Clients;
use bookstore_e2e::goods::{MONEY_RETURNED, MONEY_TAKEN};

use super::paid_and_refunded;
use crate::table::Aspect::{BadInput, Repeat, Success};
use crate::table::{Cell, cell};
use crate::wire;

pub(super) fn cells() -> Vec<Cell> {
    vec![
        cell("WatchPayments", Success, watch),
        cell("WatchPayments", BadInput, watch_badly),
        cell("WatchPayments", Repeat, watch_again),
    ]
}

async fn watch(clients: Clients) -> anyhow::Result<()> {
    let placed = paid_and_refunded(&clients).await?;
    let is_end = |order_id, status| order_id == placed.id && status == MONEY_RETURNED;
    let events = clients
        .payment_events(0, |e| is_end(e.order_id, e.status))
        .await?;
    let ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
    let gapless: Vec<_> = (1..).take(ids.len()).collect();
    ensure!(ids == gapless, "{ids:?}");
    let mine: Vec<_> = events
        .iter()
        .filter(|event| event.order_id == placed.id)
        .collect();
    let settled: Vec<_> = mine
        .iter()
        .map(|e| e.status)
        .filter(|status| *status != 4)
        .collect();
    ensure!(settled == [MONEY_TAKEN, MONEY_RETURNED], "{mine:?}");
    ensure!(
        mine.iter()
            .all(|e| e.amount == placed.total && e.created_at > 0),
        "{mine:?}"
    );

    // Live: an event that happens while someone watches.
    let last = ids.last().copied().context("no events")?;
    let next = clients.placed().await?;
    let watching =
        clients.payment_events(last, |e| e.order_id == next.id && e.status == MONEY_TAKEN);
    let paying = clients.charge_until_accepted(next.id, next.total);
    let (events, _) = futures::future::try_join(watching, paying).await?;
    ensure!(
        events
            .first()
            .is_some_and(|event| event.event_id == last + 1),
        "{events:?}"
    );
    Ok(())
}

/// Any number is a position; only bytes that do not decode are bad.
async fn watch_badly(clients: Clients) -> anyhow::Result<()> {
    let status = wire::send_garbage(&clients, "/payment.v1.PaymentService/WatchPayments").await?;
    ensure!(status.code() == tonic::Code::InvalidArgument, "{status:?}");
    Ok(())
}

async fn watch_again(clients: Clients) -> anyhow::Result<()> {
    let placed = paid_and_refunded(&clients).await?;
    let is_end = |order_id, status| order_id == placed.id && status == MONEY_RETURNED;
    let first = clients
        .payment_events(0, |e| is_end(e.order_id, e.status))
        .await?;
    let again = clients
        .payment_events(0, |e| is_end(e.order_id, e.status))
        .await?;
    ensure!(first == again);
    // From the middle on it is the rest of the same.
    let middle = first.len() / 2;
    let after = first
        .get(..middle)
        .and_then(|part| part.last())
        .map_or(0, |e| e.event_id);
    let rest = clients
        .payment_events(after, |e| is_end(e.order_id, e.status))
        .await?;
    ensure!(first.get(middle..) == Some(&rest[..]));
    Ok(())
}
