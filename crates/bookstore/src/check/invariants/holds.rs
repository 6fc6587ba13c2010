//! Orders against the inventory's holds.
//!
//! Orders are read before holds, and again before the next holds. So what is amiss in two readings
//! in a row was amiss at a moment in between: an order that must hold its items in both readings
//! had to hold them all the while, and one that is through with them gives them back before its
//! task is done. Holds that `DeductStock` made are the business of whoever made them.

use std::collections::{BTreeMap, HashMap};

use inventory::audit::OpenHold;
use order::domain::{Stage, TaskKind};
use types::{BookId, OrderStatus};

use crate::check::facts::{Facts, OrderFact, Orders};
use crate::check::finding::{Finding, Invariant, Proof};

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    let holds: HashMap<&str, &OpenHold> = facts
        .stock
        .holds
        .iter()
        .map(|hold| (hold.key.as_str(), hold))
        .collect();
    let mut numbers: HashMap<&str, &OrderFact> = HashMap::with_capacity(facts.orders.rows.len());
    for order in &facts.orders.rows {
        let number = order.name.number.as_str();
        numbers.insert(number, order);
        if order.holds_stock() {
            judge_order(order, holds.get(number).copied(), findings);
        }
    }
    for hold in facts.stock.holds.iter().filter(|hold| hold.is_batch) {
        judge_hold(
            hold,
            numbers.get(hold.key.as_str()).copied(),
            &facts.orders,
            findings,
        );
    }
}

/// An order that must hold its items against the hold under its number.
fn judge_order(order: &OrderFact, hold: Option<&OpenHold>, findings: &mut Vec<Finding>) {
    let mut wrong = differences(order, hold);
    if let Some(hold) = hold
        && hold.reference.get() != order.name.id.get()
    {
        wrong.push(format!("its hold is for reference {}", hold.reference));
    }
    if !wrong.is_empty() {
        let subject = order.name.to_string();
        let finding = Finding::certain(Invariant::OrderHoldsItems, subject, wrong.join("; "));
        findings.push(finding.until(Proof::SeenAgain));
    }
}

fn differences(order: &OrderFact, hold: Option<&OpenHold>) -> Vec<String> {
    let mut copies: BTreeMap<BookId, (i64, i64)> = BTreeMap::new();
    for (book, ordered) in &order.to_hold {
        copies.entry(*book).or_default().0 = *ordered;
    }
    for line in hold.iter().flat_map(|hold| &hold.lines) {
        copies.entry(line.book).or_default().1 = line.quantity.get().into();
    }
    let differ = copies
        .into_iter()
        .filter(|(_, (ordered, held))| ordered != held);
    differ
        .map(|(book, (ordered, held))| format!("book {book}: ordered {ordered}, held {held}"))
        .collect()
}

/// A hold against the order whose number is its key.
fn judge_hold(
    hold: &OpenHold,
    order: Option<&OrderFact>,
    orders: &Orders,
    findings: &mut Vec<Finding>,
) {
    let Some(order) = order else {
        if orders.is_intended(hold.reference.get(), hold.key.as_str()) {
            return;
        }
        let subject = format!("hold {}", hold.key);
        let what = format!("{}, and there is no such order", contents(hold));
        let finding = Finding::certain(Invariant::HoldHasOrder, subject, what);
        findings.push(finding.until(Proof::SeenAgain));
        return;
    };
    let ended_by = match order.stage {
        // What a creation holds is its creator's, or recovery's, to settle; the others must hold.
        Stage::Creating | Stage::Live(OrderStatus::Pending | OrderStatus::Paid) => return,
        Stage::Live(OrderStatus::Shipped | OrderStatus::Completed) => TaskKind::Commit,
        Stage::Live(OrderStatus::Cancelled) | Stage::Abandoned => TaskKind::Release,
    };
    if !orders.has_task(order.name.id, ended_by) {
        let what = format!(
            "{} still holds {}, and no {} is to be done",
            order.stage.name(),
            contents(hold),
            ended_by.name()
        );
        let subject = order.name.to_string();
        let finding = Finding::certain(Invariant::SettledHoldsNothing, subject, what);
        findings.push(finding.until(Proof::SeenAgain));
    }
}

fn contents(hold: &OpenHold) -> String {
    let lines: Vec<_> = hold
        .lines
        .iter()
        .map(|line| format!("{} of book {}", line.quantity, line.book))
        .collect();
    lines.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use inventory::domain::Reference;
    use types::OrderId;

    use super::*;
    use crate::check::sample::{
        ABANDONED, CANCELLED, COMPLETED, CREATING, NOW, PAID, PENDING, SHIPPED, found, hold,
        intent, line, only, order_mut, reserve_what_is_held, sound, task,
    };

    /// The hold of the sample's order `id`, with everything else in step with it.
    fn with_hold(id: u64) -> Facts {
        let mut facts = sound();
        let number = order_mut(&mut facts, id).name.number.to_string();
        facts.stock.holds.push(hold(&number, id, &[(1, 2)]));
        reserve_what_is_held(&mut facts);
        facts
    }

    #[test]
    fn an_order_without_its_hold_is_found() {
        for id in [PENDING, PAID] {
            let mut facts = sound();
            facts.stock.holds.retain(|hold| hold.reference.get() != id);
            reserve_what_is_held(&mut facts);
            let finding = only(&facts, Invariant::OrderHoldsItems);
            assert_eq!(finding.proof, Proof::SeenAgain);
            assert!(
                finding.subject.contains(&format!("(id {id})")),
                "{finding:?}"
            );
            assert_eq!(finding.what, "book 1: ordered 2, held 0");
        }
    }

    #[test]
    fn an_order_that_holds_too_little_too_much_or_something_else_is_found() {
        let cases: [(&[(u64, i32)], &str); 3] = [
            (&[(1, 1)], "book 1: ordered 2, held 1"),
            (&[(1, 3)], "book 1: ordered 2, held 3"),
            (
                &[(2, 2)],
                "book 1: ordered 2, held 0; book 2: ordered 0, held 2",
            ),
        ];
        for (lines, what) in cases {
            let mut facts = sound();
            facts.stock.holds[0].lines = lines.iter().map(|(book, n)| line(*book, *n)).collect();
            reserve_what_is_held(&mut facts);
            assert_eq!(only(&facts, Invariant::OrderHoldsItems).what, what);
        }
    }

    #[test]
    fn a_hold_for_another_reference_is_found() {
        let mut facts = sound();
        facts.stock.holds[0].reference = Reference::new(99).unwrap();
        assert_eq!(
            only(&facts, Invariant::OrderHoldsItems).what,
            "its hold is for reference 99"
        );
    }

    #[test]
    fn what_an_ended_order_still_holds_is_found_unless_a_task_is_on_its_way() {
        let cases = [
            (SHIPPED, TaskKind::Commit, TaskKind::Release),
            (COMPLETED, TaskKind::Commit, TaskKind::Release),
            (CANCELLED, TaskKind::Release, TaskKind::Commit),
            (ABANDONED, TaskKind::Release, TaskKind::Commit),
        ];
        for (id, right, wrong) in cases {
            let mut facts = with_hold(id);
            assert_eq!(
                only(&facts, Invariant::SettledHoldsNothing).proof,
                Proof::SeenAgain
            );
            facts.orders.tasks.extend([task(id, wrong)]);
            assert!(
                found(&facts)
                    .iter()
                    .any(|f| f.invariant == Invariant::SettledHoldsNothing)
            );
            facts.orders.tasks.clear();
            facts.orders.tasks.extend([task(id, right)]);
            assert_eq!(found(&facts), [], "order {id}");
        }
    }

    #[test]
    fn a_creation_may_hold_its_items_or_not_yet() {
        assert_eq!(found(&with_hold(CREATING)), []);
    }

    #[test]
    fn a_hold_of_an_open_intent_is_its_creators_to_settle() {
        let mut facts = sound();
        let intent = intent(90, 99);
        let number = intent.number(OrderId::new(99).unwrap());
        facts.stock.holds.push(hold(number.as_str(), 99, &[(1, 2)]));
        reserve_what_is_held(&mut facts);
        facts.orders.intents = vec![intent];
        assert_eq!(found(&facts), []);
        // Under another number, or for an id that it does not cover, nobody will.
        facts.orders.intents[0].numbered_at = NOW.plus(Duration::from_secs(1));
        only(&facts, Invariant::HoldHasOrder);
        facts.orders.intents[0] = intent;
        facts.orders.intents[0].last = OrderId::new(98).unwrap();
        only(&facts, Invariant::HoldHasOrder);
    }

    #[test]
    fn a_batch_hold_without_an_order_is_found_and_a_single_one_is_its_makers_business() {
        let mut facts = sound();
        facts
            .stock
            .holds
            .push(hold("ORD20990101000000000099", 99, &[(1, 2)]));
        reserve_what_is_held(&mut facts);
        let finding = only(&facts, Invariant::HoldHasOrder);
        assert_eq!(finding.subject, "hold ORD20990101000000000099");
        assert_eq!(finding.proof, Proof::SeenAgain);
        facts.stock.holds.last_mut().unwrap().is_batch = false;
        assert_eq!(found(&facts), []);
    }
}
