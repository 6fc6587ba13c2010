//! Payments against orders.
//!
//! Orders learn of payments by the feed, and payments are read after orders. So a doubt counts only
//! once orders are known to have followed the feed to where it stood when the doubt arose.

use order::domain::{Stage, TaskKind};
use payment::audit::{PaymentRow, Subject};
use types::{OrderId, OrderStatus, PaymentStatus};

use crate::check::facts::{Facts, OrderFact, Orders};
use crate::check::finding::{Finding, Invariant, Proof};

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    judge_by_itself(facts, findings);
    let mut payments = facts.money.payments.iter().peekable();
    for order in &facts.orders.rows {
        // Both lists ascend by order id: one pass over each.
        while let Some(payment) = payments.next_if(|next| next.order_id < order.name.id) {
            judge_orphan(payment, &facts.orders, findings);
        }
        let payment = payments.next_if(|next| next.order_id == order.name.id);
        judge_pair(order, payment, &facts.orders, findings);
    }
    for payment in payments {
        judge_orphan(payment, &facts.orders, findings);
    }
}

/// The payment service's own audit knows these laws best; here they get their names.
fn judge_by_itself(facts: &Facts, findings: &mut Vec<Finding>) {
    for finding in &facts.money.findings {
        let (invariant, subject) = match &finding.subject {
            Subject::Feed => (Invariant::FeedIsGapless, finding.subject.to_string()),
            Subject::Order(id) => {
                let name = OrderId::from_i64(*id).map(|id| facts.orders.name_of(id));
                let name = name.unwrap_or_else(|| finding.subject.to_string());
                (Invariant::PaymentIsSound, name)
            }
            Subject::Attempt(_) | Subject::Event(_) => {
                (Invariant::PaymentIsSound, finding.subject.to_string())
            }
        };
        let what = format!("it does not hold that {}", finding.rule);
        findings.push(Finding::certain(invariant, subject, what));
    }
}

fn judge_pair(
    order: &OrderFact,
    payment: Option<&PaymentRow>,
    orders: &Orders,
    findings: &mut Vec<Finding>,
) {
    let mut doubt = |invariant, what: String| {
        let finding = Finding::certain(invariant, order.name.to_string(), what);
        findings.push(finding.until(Proof::FeedFollowed));
    };
    if let Some(payment) = payment
        && payment.status == PaymentStatus::Paid
    {
        if let Some(what) = captured_in_vain(order, payment, orders) {
            doubt(Invariant::MoneyHasOrder, what);
        }
        return;
    }
    let refunded = payment.is_some_and(|payment| payment.status == PaymentStatus::Refunded);
    let state = match payment {
        Some(payment) => format!("its payment is {}", status_name(payment.status)),
        None => "there is no payment".to_owned(),
    };
    // Money for an id that was nobody's yet went back before this order began.
    let is_older = payment.is_some_and(|payment| payment.updated_at < order.created_at);
    let stage = order.stage.name();
    match order.stage {
        // Nor one that is noted as gone back: it came for an order that was still being made.
        Stage::Live(OrderStatus::Pending) if refunded && !is_older && !order.refunded => {
            doubt(Invariant::OrderHasMoney, format!("{stage}, and {state}"));
        }
        Stage::Live(OrderStatus::Paid) => {
            doubt(Invariant::OrderHasMoney, format!("{stage}, and {state}"));
        }
        // Goods that have left stay sold, whatever is refunded at the payment service.
        Stage::Live(OrderStatus::Shipped | OrderStatus::Completed) if !refunded => {
            doubt(Invariant::OrderHasMoney, format!("{stage}, and {state}"));
        }
        _ if order.refunded && !refunded => {
            let what = format!("{stage} with its money given back, and {state}");
            doubt(Invariant::OrderHasMoney, what);
        }
        _ => {}
    }
}

/// What is wrong with keeping the money of this payment for this order; `None` where it is right,
/// or on its way back.
fn captured_in_vain(order: &OrderFact, payment: &PaymentRow, orders: &Orders) -> Option<String> {
    let PaymentRow {
        payment_no, amount, ..
    } = payment;
    if !order.is_paid() {
        let going_back = orders.has_task(order.name.id, TaskKind::Refund);
        let stage = order.stage.name();
        return (!going_back)
            .then(|| format!("{stage}, and {payment_no} keeps {amount}: no refund is to be done"));
    }
    if order.total != *amount {
        return Some(format!(
            "its total is {}, and {payment_no} charged {amount}",
            order.total
        ));
    }
    match &order.payment_no {
        Some(noted) if noted != payment_no => Some(format!(
            "paid by {noted}, and the money came by {payment_no}"
        )),
        // That none is noted is `OrderIsSound`'s to tell.
        Some(_) | None => None,
    }
}

/// A payment for an order that does not exist.
fn judge_orphan(payment: &PaymentRow, orders: &Orders, findings: &mut Vec<Finding>) {
    let kept = payment.status == PaymentStatus::Paid;
    if kept && !orders.has_task(payment.order_id, TaskKind::Refund) {
        let subject = format!(
            "payment {} for order id {}",
            payment.payment_no, payment.order_id
        );
        let what = format!(
            "keeps {}; there is no such order, and no refund is to be done",
            payment.amount
        );
        let finding = Finding::certain(Invariant::MoneyHasOrder, subject, what);
        findings.push(finding.until(Proof::FeedFollowed));
    }
}

const fn status_name(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::Pending => "PENDING",
        PaymentStatus::Paid => "PAID",
        PaymentStatus::Refunded => "REFUNDED",
        PaymentStatus::Failed => "FAILED",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use types::{Fen, PaymentNo};

    use super::*;
    use crate::check::sample::{
        ABANDONED, CANCELLED, COMPLETED, CREATING, NOW, PAID, PENDING, REFUNDED, SHIPPED, UNKNOWN,
        found, only, order_mut, pay, payment_mut, sound, task, unpay,
    };

    #[test]
    fn money_kept_for_an_order_that_is_not_paid_is_found_unless_it_is_on_its_way_back() {
        for id in [PENDING, CANCELLED, CREATING, ABANDONED, UNKNOWN] {
            let mut facts = sound();
            pay(&mut facts, id, PaymentStatus::Paid);
            let finding = only(&facts, Invariant::MoneyHasOrder);
            assert_eq!(finding.proof, Proof::FeedFollowed);
            facts.orders.tasks.extend([task(id, TaskKind::Refund)]);
            assert_eq!(found(&facts), [], "order {id}");
        }
    }

    #[test]
    fn money_that_is_not_kept_troubles_no_order_that_is_not_paid() {
        for id in [CANCELLED, ABANDONED, CREATING, UNKNOWN] {
            for status in [
                PaymentStatus::Pending,
                PaymentStatus::Failed,
                PaymentStatus::Refunded,
            ] {
                let mut facts = sound();
                pay(&mut facts, id, status);
                assert_eq!(found(&facts), [], "order {id} {status:?}");
            }
        }
    }

    #[test]
    fn a_paid_order_of_another_amount_or_another_payment_is_found() {
        for id in [PAID, SHIPPED, COMPLETED] {
            let mut facts = sound();
            payment_mut(&mut facts, id).amount = Fen::stored(1);
            assert!(
                only(&facts, Invariant::MoneyHasOrder)
                    .what
                    .contains("charged 0.01")
            );
            let mut facts = sound();
            order_mut(&mut facts, id).payment_no = Some(PaymentNo::generate(NOW, 99));
            assert!(
                only(&facts, Invariant::MoneyHasOrder)
                    .what
                    .starts_with("paid by PAY")
            );
        }
    }

    #[test]
    fn an_order_that_counts_as_paid_without_money_is_found() {
        for id in [PAID, SHIPPED, COMPLETED] {
            let mut facts = sound();
            unpay(&mut facts, id);
            let finding = only(&facts, Invariant::OrderHasMoney);
            assert_eq!(finding.proof, Proof::FeedFollowed);
            assert!(
                finding.what.ends_with("and there is no payment"),
                "{finding:?}"
            );
            for status in [PaymentStatus::Pending, PaymentStatus::Failed] {
                payment_mut_or_pay(&mut facts, id, status);
                only(&facts, Invariant::OrderHasMoney);
            }
        }
    }

    fn payment_mut_or_pay(facts: &mut Facts, id: u64, status: PaymentStatus) {
        unpay(facts, id);
        pay(facts, id, status);
    }

    #[test]
    fn a_refund_calls_a_paid_order_off_and_leaves_a_shipped_one() {
        for (id, is_found) in [(PAID, true), (SHIPPED, false), (COMPLETED, false)] {
            let mut facts = sound();
            payment_mut(&mut facts, id).status = PaymentStatus::Refunded;
            let laws: Vec<_> = found(&facts)
                .iter()
                .map(|finding| finding.invariant)
                .collect();
            let expected: &[Invariant] = if is_found {
                &[Invariant::OrderHasMoney]
            } else {
                &[]
            };
            assert_eq!(laws, expected, "order {id}");
        }
    }

    #[test]
    fn a_refund_calls_a_pending_order_off_unless_it_came_before_the_order() {
        let mut facts = sound();
        pay(&mut facts, PENDING, PaymentStatus::Refunded);
        only(&facts, Invariant::OrderHasMoney);
        order_mut(&mut facts, PENDING).refunded = true;
        assert_eq!(found(&facts), []);
        order_mut(&mut facts, PENDING).refunded = false;
        order_mut(&mut facts, PENDING).created_at = NOW.plus(Duration::from_millis(1));
        assert_eq!(found(&facts), []);
    }

    #[test]
    fn a_refund_that_is_noted_and_never_happened_is_found() {
        let mut facts = sound();
        payment_mut(&mut facts, REFUNDED).status = PaymentStatus::Failed;
        only(&facts, Invariant::OrderHasMoney);
        payment_mut(&mut facts, REFUNDED).status = PaymentStatus::Paid;
        only(&facts, Invariant::MoneyHasOrder);
    }

    #[test]
    fn what_the_payment_audit_finds_is_told() {
        let cases = [
            (Subject::Order(99), Invariant::PaymentIsSound, "order id 99"),
            (Subject::Order(-5), Invariant::PaymentIsSound, "order -5"),
            (Subject::Event(12), Invariant::PaymentIsSound, "event 12"),
            (Subject::Feed, Invariant::FeedIsGapless, "the feed"),
        ];
        for (subject, invariant, named) in cases {
            let mut facts = sound();
            facts.money.findings.push(payment::audit::Finding {
                subject,
                rule: "a rule",
            });
            let finding = only(&facts, invariant);
            assert_eq!(
                (finding.proof, finding.subject.as_str()),
                (Proof::Certain, named)
            );
        }
    }
}
