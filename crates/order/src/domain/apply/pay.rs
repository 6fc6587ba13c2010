//! Money that arrives: reported by `PayOrder`, or by the feed.

use types::{OrderId, OrderStatus};

use crate::domain::{
    CancelCause, Moved, Order, PaymentRef, Receipt, Rows, Stage, Stamp, TaskKey, TaskKind, Verdict,
};

impl Rows {
    /// PENDING and the right amount: PAID. An order that has been paid stays as it is. Otherwise the
    /// money goes back, and a PENDING order is called off; so is one whose money is on its way back
    /// already, as it came before the order.
    pub(super) fn pay(&mut self, id: OrderId, receipt: &Receipt, stamp: Stamp) -> Option<Moved> {
        let order = self.orders.get(&id)?;
        let right = order.total == receipt.amount;
        let goes_back = order.refunded || self.is_to_be_refunded(id);
        let mut tasks = Vec::new();
        let verdict = match order.stage {
            Stage::Live(OrderStatus::Pending) if right && !goes_back => {
                let order = self.advance(id, OrderStatus::Paid, stamp.at)?;
                order.payment = Some(payment_of(receipt));
                Verdict::Now
            }
            Stage::Live(OrderStatus::Pending) => {
                self.keep_payment(id, receipt);
                self.give_money_back(id, stamp, &mut tasks);
                let why = if right {
                    CancelCause::Refunded
                } else {
                    CancelCause::WrongAmount
                };
                self.call_off(id, why, stamp, &mut tasks);
                Verdict::Illegal
            }
            Stage::Live(OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Completed) => {
                let same = paid_by(order, receipt);
                if same {
                    self.keep_payment(id, receipt);
                }
                // Payment keeps one paid row per order, so another number cannot come while that
                // one stands; and a refund by order id would return the wrong money.
                if same {
                    Verdict::Before
                } else {
                    Verdict::Illegal
                }
            }
            Stage::Creating | Stage::Abandoned | Stage::Live(OrderStatus::Cancelled) => {
                self.keep_payment(id, receipt);
                self.give_money_back(id, stamp, &mut tasks);
                Verdict::Illegal
            }
        };
        self.report(id, verdict, tasks)
    }

    /// Whether a refund is outstanding. Money that came when there was no such order has this task
    /// alone: no row could say so.
    fn is_to_be_refunded(&self, id: OrderId) -> bool {
        let refund = TaskKey {
            order_id: id,
            kind: TaskKind::Refund,
        };
        self.tasks.get(&refund).is_some()
    }

    /// Records the payment, and the gateway's number once it is known.
    pub(super) fn keep_payment(&mut self, id: OrderId, receipt: &Receipt) {
        let Some(order) = self.orders.edit(&id) else {
            return;
        };
        match &mut order.payment {
            Some(known) if known.payment_no == receipt.payment_no => {
                if known.third_party_no.is_none() {
                    known.third_party_no.clone_from(&receipt.third_party_no);
                }
            }
            other => *other = Some(payment_of(receipt)),
        }
    }
}

fn payment_of(receipt: &Receipt) -> PaymentRef {
    PaymentRef {
        payment_no: receipt.payment_no.clone(),
        third_party_no: receipt.third_party_no.clone(),
    }
}

fn paid_by(order: &Order, receipt: &Receipt) -> bool {
    order
        .payment
        .as_ref()
        .is_some_and(|payment| payment.payment_no == receipt.payment_no)
}
