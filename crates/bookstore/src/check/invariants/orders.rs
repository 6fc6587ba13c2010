//! Orders by themselves, their tasks, and the books they are for.
//!
//! Tasks are read before orders, so a task's order is already where the task says it is: no doubt
//! is left by reading the two one after the other.

use order::audit::{Fault, forgotten_for};
use order::domain::{Stage, Task, TaskKind};
use types::OrderStatus;

use crate::check::facts::{Facts, OrderFact, OrderName, Orders};
use crate::check::finding::{Finding, Invariant, Proof};

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    let orders = &facts.orders;
    findings.extend(orders.faults.iter().map(|(name, fault)| told(name, fault)));
    for task in orders.tasks.values() {
        judge_task(task, orders, findings);
    }
    for intent in &orders.intents {
        if let Some(by) = forgotten_for(intent, facts.read_at) {
            let subject = format!("intent of order ids {} to {}", intent.first, intent.last);
            let what = format!("still open {by:?} after it was opened");
            let finding = Finding::certain(Invariant::NoCreationForgotten, subject, what);
            findings.push(finding.until(Proof::NotMended));
        }
    }
    for book in &facts.catalog.missing {
        let what = "ordered, and not in the catalog";
        findings.push(Finding::certain(
            Invariant::BookExists,
            format!("book {book}"),
            what,
        ));
    }
    for fault in &facts.catalog.faults {
        findings.push(Finding::certain(
            Invariant::CatalogIsSound,
            format!("book {}", fault.book()),
            fault.to_string(),
        ));
    }
}

/// The order service's own audit knows these laws best; here they get their names.
fn told(name: &OrderName, fault: &Fault) -> Finding {
    let (invariant, proof) = match fault {
        Fault::NoItems | Fault::WrongTotal { .. } => (Invariant::TotalIsItems, Proof::Certain),
        Fault::IllegalMove { .. } | Fault::BrokenHistory { .. } => {
            (Invariant::HistoryIsLegal, Proof::Certain)
        }
        Fault::WrongNumber | Fault::NoPayment | Fault::RefundedYetPaid | Fault::WrongCause => {
            (Invariant::OrderIsSound, Proof::Certain)
        }
        Fault::Overdue { .. } => (Invariant::NoOrderOverdue, Proof::NotMended),
        Fault::ForgottenCreation { .. } => (Invariant::NoCreationForgotten, Proof::NotMended),
    };
    Finding::certain(invariant, name.to_string(), fault.to_string()).until(proof)
}

fn judge_task(task: &Task, orders: &Orders, findings: &mut Vec<Finding>) {
    let order = orders.find(task.key.order_id);
    let stage = order.map(|order| order.stage);
    let kind = task.key.kind;
    let fits = match (kind, stage) {
        (TaskKind::Release, Some(Stage::Abandoned | Stage::Live(OrderStatus::Cancelled)))
        | (TaskKind::Commit, Some(Stage::Live(OrderStatus::Shipped | OrderStatus::Completed))) => {
            true
        }
        (TaskKind::Release | TaskKind::Commit, _) => false,
        // Money may have come for an order that nobody made, or before it was made.
        (TaskKind::Refund, _) => !order.is_some_and(OrderFact::is_paid),
    };
    if !fits {
        let what = match order {
            Some(order) => format!(
                "{}, and a {} is to be done",
                order.stage.name(),
                kind.name()
            ),
            None => format!(
                "a {} is to be done, and there is no such order",
                kind.name()
            ),
        };
        let subject = orders.name_of(task.key.order_id);
        findings.push(Finding::certain(Invariant::TaskFitsOrder, subject, what));
    }
    if task.parked {
        let reason = task.last_error.as_deref().unwrap_or("no reason given");
        let what = format!(
            "{} parked after {} tries: {reason}",
            kind.name(),
            task.attempts
        );
        let subject = orders.name_of(task.key.order_id);
        findings.push(Finding::certain(Invariant::NoTaskParked, subject, what));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use types::Fen;

    use super::*;
    use crate::check::sample::{
        CANCELLED, COMPLETED, PAID, PENDING, SHIPPED, UNKNOWN, book, found, intent, only,
        order_mut, sound, task,
    };

    #[test]
    fn an_intent_that_nobody_closes_is_forgotten_after_a_while() {
        let mut facts = sound();
        facts.orders.intents = vec![intent(90, 99)];
        let opened_at = facts.orders.intents[0].numbered_at;
        // However often recovery took it over in vain.
        facts.orders.intents[0].lease_until = opened_at.plus(Duration::from_hours(1));
        for (late, is_forgotten) in [(0, false), (60, false), (61, true)] {
            facts.read_at = opened_at.plus(Duration::from_secs(late));
            let findings = found(&facts);
            assert_eq!(!findings.is_empty(), is_forgotten, "{late} s: {findings:?}");
        }
        let finding = only(&facts, Invariant::NoCreationForgotten);
        assert_eq!(finding.subject, "intent of order ids 90 to 99");
        assert_eq!(finding.what, "still open 61s after it was opened");
        assert_eq!(finding.proof, Proof::NotMended);
    }

    #[test]
    fn each_fault_of_an_order_gets_its_law_and_what_time_mends_waits() {
        let by = Duration::from_secs(99);
        let wrong_total = Fault::WrongTotal {
            items: None,
            total: Fen::stored(1),
        };
        let illegal = Fault::IllegalMove {
            from: OrderStatus::Shipped,
            to: OrderStatus::Paid,
        };
        let broken = Fault::BrokenHistory {
            leads_to: None,
            stands: Stage::Live(OrderStatus::Paid),
        };
        let cases = [
            (Fault::NoItems, Invariant::TotalIsItems, Proof::Certain),
            (wrong_total, Invariant::TotalIsItems, Proof::Certain),
            (illegal, Invariant::HistoryIsLegal, Proof::Certain),
            (broken, Invariant::HistoryIsLegal, Proof::Certain),
            (Fault::WrongNumber, Invariant::OrderIsSound, Proof::Certain),
            (Fault::NoPayment, Invariant::OrderIsSound, Proof::Certain),
            (
                Fault::RefundedYetPaid,
                Invariant::OrderIsSound,
                Proof::Certain,
            ),
            (Fault::WrongCause, Invariant::OrderIsSound, Proof::Certain),
            (
                Fault::Overdue { by },
                Invariant::NoOrderOverdue,
                Proof::NotMended,
            ),
            (
                Fault::ForgottenCreation { by },
                Invariant::NoCreationForgotten,
                Proof::NotMended,
            ),
        ];
        for (fault, invariant, proof) in cases {
            let mut facts = sound();
            let name = order_mut(&mut facts, PENDING).name.clone();
            facts.orders.faults.push((name.clone(), fault));
            let finding = only(&facts, invariant);
            assert_eq!((finding.subject, finding.proof), (name.to_string(), proof));
        }
    }

    #[test]
    fn a_task_that_its_order_does_not_ask_for_is_found() {
        let cases = [
            (PENDING, TaskKind::Release),
            (PAID, TaskKind::Release),
            (PAID, TaskKind::Commit),
            (SHIPPED, TaskKind::Release),
            (COMPLETED, TaskKind::Refund),
            (PAID, TaskKind::Refund),
            (CANCELLED, TaskKind::Commit),
            (UNKNOWN, TaskKind::Release),
        ];
        for (id, kind) in cases {
            let mut facts = sound();
            facts.orders.tasks.extend([task(id, kind)]);
            assert_eq!(only(&facts, Invariant::TaskFitsOrder).proof, Proof::Certain);
        }
        let mut facts = sound();
        facts.orders.tasks.extend([task(UNKNOWN, TaskKind::Refund)]);
        assert_eq!(
            found(&facts),
            [],
            "money for an order that nobody made goes back"
        );
    }

    #[test]
    fn a_parked_task_is_found_with_its_reason() {
        let mut facts = sound();
        let (key, mut parked) = task(CANCELLED, TaskKind::Release);
        parked.parked = true;
        parked.attempts = 5;
        parked.last_error = Some("no such thing".to_owned());
        facts.orders.tasks.insert(key, parked);
        let finding = only(&facts, Invariant::NoTaskParked);
        assert_eq!(finding.what, "release parked after 5 tries: no such thing");
    }

    #[test]
    fn an_ordered_book_that_the_catalog_lost_is_found() {
        let mut facts = sound();
        facts.catalog.missing.push(book(2));
        assert_eq!(only(&facts, Invariant::BookExists).subject, "book 2");
    }

    #[test]
    fn a_fault_of_the_catalog_is_told() {
        let mut facts = sound();
        facts
            .catalog
            .faults
            .push(catalog::audit::Fault::IsbnKeyDiffers { id: 2 });
        assert_eq!(only(&facts, Invariant::CatalogIsSound).subject, "book 2");
    }
}
