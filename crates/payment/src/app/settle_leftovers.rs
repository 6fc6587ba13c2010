use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use platform::deadline::Deadline;

use super::Payments;
use super::ask::{Round, read_rescheduled};
use crate::domain::{Op, Record, Reschedule, Rescheduled};

/// How often leftovers are looked for; it bounds how late a round of the timetable comes.
pub(super) const LEFTOVERS_EVERY: Duration = Duration::from_millis(200);

/// How many leftovers this process asks about at once, so that a gateway which comes back after
/// an outage is not knocked over again.
pub(super) const LEFTOVERS_AT_ONCE: usize = 64;

impl Payments {
    /// Takes up the open attempts whose next round is due: those that a gateway left in doubt, and
    /// those whose process died.
    ///
    /// Never waits for a gateway: each attempt goes on in a task of its own.
    pub(super) async fn settle_leftovers(self: &Arc<Self>) {
        let free = self.leftovers.available_permits();
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        if limit == 0 {
            return;
        }
        let due = match self.store.list_due(self.clock.now(), limit).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "leftovers cannot be listed");
                return;
            }
        };
        let claimed = join_all(due.iter().map(|record| self.claim(record))).await;
        for record in claimed.into_iter().flatten() {
            self.take_up(record);
        }
    }

    /// Claims the attempt for one lease; `None` if another worker was quicker.
    async fn claim(&self, record: &Record) -> Option<Record> {
        let lease = self.timetable.lease();
        let op = Op::Reschedule(Reschedule {
            order_id: record.attempt.order_id,
            payment_no: record.attempt.payment_no.clone(),
            seen: record.attempt.next_check_at?,
            next: self.clock.now().plus(lease),
        });
        match self
            .submit(op, Deadline::after(lease), read_rescheduled)
            .await
        {
            Ok(Rescheduled::Won(record)) => Some(record),
            Ok(Rescheduled::Lost) => None,
            Err(error) => {
                tracing::warn!(%error, "a leftover cannot be claimed");
                None
            }
        }
    }

    fn take_up(self: &Arc<Self>, record: Record) {
        // Only this worker takes permits, and it listed no more attempts than there were.
        let Ok(permit) = Arc::clone(&self.leftovers).try_acquire_owned() else {
            return;
        };
        metrics::counter!("bookstore_payment_leftovers_total").increment(1);
        let flight = self.flights.depart(&record.attempt.payment_no);
        let payments = Arc::clone(self);
        self.tasks.spawn("settle a leftover", async move {
            payments.ask(record, Round::Again, flight).await;
            drop(permit);
        });
    }
}
