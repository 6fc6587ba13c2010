//! Inventory by itself: one snapshot, so everything here is certain.

use std::collections::BTreeMap;

use inventory::audit::{Audit, Problem};
use types::BookId;

use crate::check::finding::{Finding, Invariant};

pub(super) fn judge(stock: &Audit, findings: &mut Vec<Finding>) {
    findings.extend(stock.problems.iter().map(told));
    judge_reserved(stock, findings);
}

/// The inventory's own audit knows these laws best; here they get their names.
fn told(problem: &Problem) -> Finding {
    let invariant = match problem {
        Problem::BalanceDiffers { .. } => Invariant::BalanceIsLedger,
        Problem::NotConserved { .. } => Invariant::CopiesConserved,
        Problem::ChainBroken { .. } => Invariant::LedgerUnbroken,
        Problem::HoldDiffers { .. } | Problem::HoldOfOtherBooks { .. } => Invariant::HoldsAddUp,
    };
    Finding::certain(invariant, problem.subject(), problem.to_string())
}

fn judge_reserved(stock: &Audit, findings: &mut Vec<Finding>) {
    let mut held: BTreeMap<BookId, i64> = BTreeMap::new();
    for line in stock.holds.iter().flat_map(|hold| &hold.lines) {
        let sum = held.entry(line.book).or_default();
        *sum = sum.saturating_add(line.quantity.get().into());
    }
    for book in &stock.books {
        let reserved = i64::from(book.stock.reserved);
        let held = held.remove(&book.stock.book).unwrap_or(0);
        if reserved != held {
            let what = format!("{reserved} copies are reserved, {held} are held");
            let subject = named(book.stock.book);
            findings.push(Finding::certain(Invariant::ReservedIsHeld, subject, what));
        }
    }
}

fn named(book: BookId) -> String {
    format!("book {book}")
}

#[cfg(test)]
mod tests {
    use types::IdempotencyKey;

    use super::*;
    use crate::check::sample::{book, found, sound};

    #[test]
    fn each_problem_of_the_inventory_gets_its_law_and_its_subject() {
        let key = IdempotencyKey::new("k").unwrap();
        let cases = [
            (
                Problem::BalanceDiffers {
                    book: book(1),
                    balance: (9, 1),
                    ledger: (10, 0),
                },
                (Invariant::BalanceIsLedger, "book 1"),
            ),
            (
                Problem::NotConserved {
                    book: book(2),
                    surplus: -3,
                },
                (Invariant::CopiesConserved, "book 2"),
            ),
            (
                Problem::ChainBroken {
                    book: book(1),
                    version: 4,
                },
                (Invariant::LedgerUnbroken, "book 1"),
            ),
            (
                Problem::HoldDiffers {
                    key,
                    remembered: Some(2),
                    ledger: 1,
                },
                (Invariant::HoldsAddUp, "hold k"),
            ),
        ];
        for (problem, (invariant, subject)) in cases {
            let mut facts = sound();
            facts.stock.problems.push(problem);
            let findings = found(&facts);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert_eq!(
                (findings[0].invariant, findings[0].subject.as_str()),
                (invariant, subject)
            );
            assert!(!findings[0].what.contains(subject), "{findings:?}");
        }
    }

    #[test]
    fn copies_reserved_for_nobody_are_found() {
        let mut facts = sound();
        facts.stock.books[0].stock.reserved += 1;
        let findings = found(&facts);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].invariant, Invariant::ReservedIsHeld);
        assert_eq!(findings[0].subject, "book 1");
    }
}
