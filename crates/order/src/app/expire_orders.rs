//! The payment timeout: PENDING orders whose deadline passed are cancelled, their stock released.
//!
//! Two workers do this. The expirer polls the delay queue many times a second and is punctual; the
//! sweep reads the database every few seconds, cancels what is overdue, and fills the queue with
//! what comes next: after a start, and after a queue that lost its entries.

use futures::future::join_all;
use platform::crash;
use platform::deadline::Deadline;
use types::{OrderId, OrderStatus, UnixMillis};

use super::{App, BACKGROUND_LIMIT, count_queue_failure};
use crate::domain::{CancelCause, Moved, Op, Stage, Verdict};
use crate::store::DueOrder;

/// How many orders are cancelled in one go: a combiner's batch.
const BATCH_LEN: usize = 512;
/// How many deadlines the sweep reads at once.
const PAGE_LEN: u32 = 512;
/// How far the sweep looks ahead, in its own intervals: nothing falls between two rounds.
const ROUNDS_AHEAD: u32 = 3;

/// What to do with an entry of the queue.
enum Entry {
    /// Its order is settled.
    Remove(OrderId),
    /// Its deadline is later than the queue had it.
    Move(DueOrder),
    /// It comes back when the claim's lease runs out.
    Keep,
}

impl App {
    /// One round of the expirer: cancels what the queue says is due.
    pub(crate) async fn expire_due(&self) {
        loop {
            let now = self.clock.now();
            let lease = self.timing.expiry_lease;
            let due = match self.queue.claim_due(now, BATCH_LEN, lease).await {
                Ok(due) => due,
                Err(error) => {
                    count_queue_failure(&error);
                    return;
                }
            };
            if due.is_empty() {
                return;
            }
            let entries = crash::around("queue.claimed", self.expire_all(&due)).await;
            self.settle_entries(entries).await;
            if due.len() < BATCH_LEN || self.tasks.stopping().is_cancelled() {
                return;
            }
        }
    }

    /// One round of the sweep over the database, page by page.
    pub(crate) async fn sweep_deadlines(&self) {
        let pending = Stage::Live(OrderStatus::Pending);
        let mut after = None;
        loop {
            let now = self.clock.now();
            let horizon = now.plus(self.timing.sweep_every.saturating_mul(ROUNDS_AHEAD));
            let page = match self
                .store
                .due_orders(pending, horizon, after, PAGE_LEN)
                .await
            {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "deadlines could not be read");
                    return;
                }
            };
            self.sweep_page(&page, now).await;
            let full = u32::try_from(page.len()) == Ok(PAGE_LEN);
            let Some(last) = page.last().filter(|_| full) else {
                return;
            };
            if self.tasks.stopping().is_cancelled() {
                return;
            }
            after = Some(*last);
        }
    }

    /// Cancels what is overdue directly, whatever state the queue is in; schedules the rest.
    async fn sweep_page(&self, page: &[DueOrder], now: UnixMillis) {
        let (overdue, coming): (Vec<DueOrder>, Vec<DueOrder>) =
            page.iter().partition(|order| order.due_at <= now);
        if !coming.is_empty() {
            let scheduling = self.queue.schedule(&coming);
            if let Err(error) = crash::around("queue.refill", scheduling).await {
                count_queue_failure(&error);
            }
        }
        let overdue: Vec<_> = overdue.iter().map(|order| order.id).collect();
        let entries = self.expire_all(&overdue).await;
        self.settle_entries(entries).await;
    }

    async fn expire_all(&self, orders: &[OrderId]) -> Vec<Entry> {
        join_all(orders.iter().map(|id| self.expire(*id))).await
    }

    /// Cancels one order, if it is PENDING and its deadline has passed: the rule checks again, so a
    /// stale entry does no harm.
    async fn expire(&self, id: OrderId) -> Entry {
        let stamp = self.stamp();
        let cancel = Op::Cancel {
            id,
            why: CancelCause::Expired,
            stamp,
        };
        match self
            .writer
            .move_order(cancel, Deadline::after(BACKGROUND_LIMIT))
            .await
        {
            Ok(Some(Moved {
                order,
                verdict,
                tasks,
            })) => {
                if verdict == Verdict::Now {
                    let late = stamp.at.since(order.expire_at);
                    metrics::counter!("bookstore_orders_expired_total").increment(1);
                    metrics::histogram!("bookstore_order_expiry_lateness_seconds")
                        .record(late.as_secs_f64());
                    // The next deadlines do not wait for inventory.
                    drop(self.runner.run_now(tasks));
                }
                if verdict == Verdict::NotDue {
                    Entry::Move(DueOrder {
                        due_at: order.expire_at,
                        id,
                    })
                } else {
                    Entry::Remove(id)
                }
            }
            Ok(None) => Entry::Remove(id),
            Err(error) => {
                tracing::debug!(%error, order.id = id.get(), "not expired yet");
                Entry::Keep
            }
        }
    }

    /// Removes from the queue what is settled in the database: in this order, so that a crash
    /// between the two loses nothing.
    async fn settle_entries(&self, entries: Vec<Entry>) {
        let (mut remove, mut later, mut kept) = (Vec::new(), Vec::new(), 0_usize);
        for entry in entries {
            match entry {
                Entry::Remove(id) => remove.push(id),
                Entry::Move(order) => later.push(order),
                Entry::Keep => kept = kept.saturating_add(1),
            }
        }
        if kept > 0 {
            tracing::warn!(orders = kept, "overdue orders could not be cancelled yet");
        }
        let removed = if remove.is_empty() {
            Ok(())
        } else {
            crash::around("queue.settle", self.queue.remove(&remove)).await
        };
        let moved = if later.is_empty() {
            Ok(())
        } else {
            self.queue.schedule(&later).await
        };
        for error in [removed, moved].into_iter().filter_map(Result::err) {
            count_queue_failure(&error);
        }
    }
}
