//! The transitions that callers and the clock ask for: cancel, ship, complete.

use types::{OrderId, OrderStatus, UnixMillis};

use crate::domain::{
    CancelCause, Moved, Order, Rows, Stage, Stamp, Task, TaskKind, Verdict, is_legal,
};

impl Rows {
    pub(super) fn cancel(&mut self, id: OrderId, why: &CancelCause, stamp: Stamp) -> Option<Moved> {
        let order = self.live_order(id)?;
        let by_timeout = matches!(why, CancelCause::Expired);
        let verdict = match order.stage {
            Stage::Live(OrderStatus::Pending) if by_timeout && order.expire_at > stamp.at => {
                Verdict::NotDue
            }
            // The timeout is for unpaid orders: a payment that came first has won.
            Stage::Live(OrderStatus::Paid) if by_timeout => Verdict::Illegal,
            from => step(from, OrderStatus::Cancelled),
        };
        let mut tasks = Vec::new();
        if verdict == Verdict::Now {
            if order.stage == Stage::Live(OrderStatus::Paid) {
                self.give_money_back(id, stamp, &mut tasks);
            }
            self.call_off(id, why.clone(), stamp, &mut tasks);
        }
        self.report(id, verdict, tasks)
    }

    pub(super) fn ship(&mut self, id: OrderId, stamp: Stamp) -> Option<Moved> {
        let order = self.live_order(id)?;
        let verdict = step(order.stage, OrderStatus::Shipped);
        let mut tasks = Vec::new();
        if verdict == Verdict::Now {
            let commit = stamp.task(id, TaskKind::Commit, Some(order.order_no.clone()));
            self.advance(id, OrderStatus::Shipped, stamp.at);
            self.record_task(commit, &mut tasks);
        }
        self.report(id, verdict, tasks)
    }

    pub(super) fn complete(&mut self, id: OrderId, at: UnixMillis) -> Option<Moved> {
        let verdict = step(self.live_order(id)?.stage, OrderStatus::Completed);
        if verdict == Verdict::Now {
            self.advance(id, OrderStatus::Completed, at);
        }
        self.report(id, verdict, Vec::new())
    }

    /// Moves the order to CANCELLED and records the release of its stock.
    pub(super) fn call_off(
        &mut self,
        id: OrderId,
        why: CancelCause,
        stamp: Stamp,
        tasks: &mut Vec<Task>,
    ) {
        let Some(order) = self.advance(id, OrderStatus::Cancelled, stamp.at) else {
            return;
        };
        order.cancelled = Some(why);
        let release = stamp.task(id, TaskKind::Release, Some(order.order_no.clone()));
        self.record_task(release, tasks);
    }

    /// Marks the order's money as being refunded and records the refund task, once.
    pub(super) fn give_money_back(&mut self, id: OrderId, stamp: Stamp, tasks: &mut Vec<Task>) {
        let Some(order) = self.orders.edit(&id) else {
            return;
        };
        if order.refunded {
            return;
        }
        order.refunded = true;
        let refund = stamp.task(id, TaskKind::Refund, Some(order.order_no.clone()));
        self.record_task(refund, tasks);
    }

    /// The order, if callers may see it.
    fn live_order(&self, id: OrderId) -> Option<&Order> {
        self.orders
            .get(&id)
            .filter(|order| order.stage.shown().is_some())
    }

    /// The order as it is now, with what was done to it.
    pub(super) fn report(&self, id: OrderId, verdict: Verdict, tasks: Vec<Task>) -> Option<Moved> {
        let order = self.orders.get(&id)?.clone();
        Some(Moved {
            order,
            verdict,
            tasks,
        })
    }
}

/// The state machine's verdict on moving from `from` to `to`.
fn step(from: Stage, to: OrderStatus) -> Verdict {
    if from == Stage::Live(to) {
        Verdict::Before
    } else if is_legal(from, Stage::Live(to)) {
        Verdict::Now
    } else {
        Verdict::Illegal
    }
}
