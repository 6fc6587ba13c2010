//! A step along the payment feed.

use types::{OrderStatus, PaymentStatus};

use crate::domain::{
    CancelCause, FeedEvent, Followed, Receipt, Rows, Stage, Stamp, Task, TaskKind,
};

impl Rows {
    /// Applies the events beyond the cursor, in order, and moves it past them.
    ///
    /// Events at or below the cursor were applied before and are skipped; where an id is missing,
    /// nothing is applied: going on would lose that payment for ever.
    pub(super) fn follow(&mut self, events: &[FeedEvent], stamp: Stamp) -> Followed {
        let first = events.partition_point(|event| event.event_id <= self.cursor);
        let fresh = events.get(first..).unwrap_or_default();
        for (event, expected) in fresh.iter().zip(self.cursor.saturating_add(1)..) {
            if event.event_id != expected {
                return Followed::Gap {
                    expected,
                    got: event.event_id,
                };
            }
        }
        let mut tasks = Vec::new();
        for event in fresh {
            self.apply_event(event, stamp, &mut tasks);
            self.cursor = event.event_id;
        }
        Followed::Applied {
            cursor: self.cursor,
            applied: fresh.len(),
            tasks,
        }
    }

    fn apply_event(&mut self, event: &FeedEvent, stamp: Stamp, tasks: &mut Vec<Task>) {
        match event.status {
            PaymentStatus::Paid => self.money_arrived(event, stamp, tasks),
            PaymentStatus::Refunded => self.money_left(event, stamp, tasks),
            // A refused charge moves no order: it stays PENDING and may be paid again.
            PaymentStatus::Failed | PaymentStatus::Pending => {}
        }
    }

    fn money_arrived(&mut self, event: &FeedEvent, stamp: Stamp, tasks: &mut Vec<Task>) {
        match self.pay(event.order_id, &receipt_of(event), stamp) {
            Some(moved) => tasks.extend(moved.tasks),
            // No such order: there is no row to record the payment on, only the task.
            None => self.record_task(stamp.task(event.order_id, TaskKind::Refund, None), tasks),
        }
    }

    /// The money was refunded: a PENDING or PAID order is cancelled; any other keeps its stage.
    fn money_left(&mut self, event: &FeedEvent, stamp: Stamp, tasks: &mut Vec<Task>) {
        let id = event.order_id;
        let Some(stage) = self.orders.get(&id).map(|order| order.stage) else {
            return;
        };
        self.keep_payment(id, &receipt_of(event));
        if let Some(order) = self.orders.edit(&id) {
            order.refunded = true;
        }
        match stage {
            Stage::Live(OrderStatus::Pending | OrderStatus::Paid) => {
                self.call_off(id, CancelCause::Refunded, stamp, tasks);
            }
            Stage::Live(OrderStatus::Shipped | OrderStatus::Completed | OrderStatus::Cancelled)
            | Stage::Creating
            | Stage::Abandoned => {}
        }
    }
}

fn receipt_of(event: &FeedEvent) -> Receipt {
    Receipt {
        payment_no: event.payment_no.clone(),
        third_party_no: None,
        amount: event.amount,
    }
}
