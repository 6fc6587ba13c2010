//! Proves the laws of stock for random stories: copies are conserved and never negative, a refusal
//! changes nothing, a repeat hears its first answer and changes nothing, a fence is for ever.

use std::collections::BTreeMap;

use inventory::domain::{
    Answer, Change, Command, Decision, Entry, HoldState, KeyUse, Movement, Op, Refusal, Rows,
};
use proptest::prelude::*;
use types::{BookId, IdempotencyKey};

use crate::stories::any_story;

/// What the ledger says of one book.
#[derive(Debug, Default)]
struct Totals {
    restocked: i64,
    committed: i64,
    entries: i64,
}

/// Applies one operation and holds what it wrote against its decision.
fn apply(rows: &mut Rows, op: &Op) -> (Decision, Vec<Entry>) {
    let decision = rows.apply(op);
    let changes = rows.take_changes();
    if decision.is_err() {
        assert!(
            changes.entries.is_empty() && changes.keys.is_empty(),
            "{op:?} left a trace"
        );
    }
    let altered: Vec<_> = changes
        .keys
        .iter()
        .filter(|(_, change)| **change == Change::Altered)
        .collect();
    assert!(
        altered.is_empty() || !changes.entries.is_empty() || is_end(op),
        "{altered:?}"
    );
    (decision, changes.entries)
}

const fn is_end(op: &Op) -> bool {
    matches!(op.command, Command::BatchRelease(_) | Command::Commit(_))
}

fn outstanding_by_book(rows: &Rows) -> BTreeMap<BookId, i64> {
    let mut sums = BTreeMap::new();
    for (_, row) in rows.keys() {
        if let KeyUse::Hold(hold) = &row.used {
            for line in &hold.lines {
                *sums.entry(line.book).or_default() += i64::from(line.outstanding);
            }
        }
    }
    sums
}

fn is_released(rows: &Rows, key: &IdempotencyKey) -> bool {
    match rows.key(key).map(|row| &row.used) {
        Some(KeyUse::Fence) => true,
        Some(KeyUse::Hold(hold)) => hold.state == HoldState::Released,
        Some(KeyUse::Answered { .. }) | None => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn copies_are_conserved_and_never_negative(story in any_story(60)) {
        let mut rows = Rows::default();
        let mut totals: BTreeMap<BookId, Totals> = BTreeMap::new();
        for op in &story {
            for entry in apply(&mut rows, op).1 {
                let total = totals.entry(entry.after.book).or_default();
                total.entries += 1;
                match entry.movement {
                    Movement::Restock => total.restocked += i64::from(entry.change_quantity),
                    Movement::Commit => total.committed -= i64::from(entry.change_reserved),
                    Movement::Deduct | Movement::Release => {}
                }
                prop_assert_eq!(entry.after.version, total.entries);
            }
            let outstanding = outstanding_by_book(&rows);
            for stock in rows.stocks() {
                let total = &totals[&stock.book];
                prop_assert!(stock.quantity >= 0 && stock.reserved >= 0);
                let (quantity, reserved) = (i64::from(stock.quantity), i64::from(stock.reserved));
                prop_assert_eq!(total.restocked, quantity + reserved + total.committed);
                prop_assert!(quantity + reserved <= i64::from(i32::MAX));
                prop_assert_eq!(outstanding.get(&stock.book).copied().unwrap_or(0), reserved);
            }
        }
    }

    #[test]
    fn a_repeat_hears_its_first_answer_and_changes_nothing(story in any_story(40)) {
        let mut rows = Rows::default();
        let mut first_answers = Vec::new();
        for op in &story {
            let (decision, _) = apply(&mut rows, op);
            if decision.is_ok() && op.command.key().is_some() {
                // At once…
                prop_assert_eq!(&apply(&mut rows, op), &(decision.clone(), Vec::new()));
                first_answers.push((op, decision));
            }
        }
        // … and at the end of the story, after everything that came between.
        for (op, first) in first_answers {
            let key = op.command.key().unwrap();
            let released = is_released(&rows, key);
            let (again, entries) = match &op.command {
                // A commit of a key that was unknown then is no use of it.
                Command::Commit(_) if first == Ok(Answer::Lines(Vec::new())) => continue,
                _ => apply(&mut rows, op),
            };
            prop_assert!(entries.is_empty(), "{:?} had an effect again", op);
            match op.command {
                Command::Deduct(_) | Command::BatchDeduct(_) if released => {
                    prop_assert_eq!(again, Err(Refusal::Cancelled));
                }
                _ => prop_assert_eq!(again, first),
            }
        }
    }

    #[test]
    fn a_released_key_never_deducts_again(story in any_story(40), late in any_story(40)) {
        let mut rows = Rows::default();
        for op in &story {
            let (_decision, _entries) = apply(&mut rows, op);
        }
        for op in &late {
            let (Command::Deduct(_) | Command::BatchDeduct(_)) = &op.command else { continue };
            let key = op.command.key().unwrap();
            rows.apply(&Op { at: op.at, command: Command::BatchRelease(key.clone()) }).ok();
            rows.take_changes();
            let released = is_released(&rows, key);
            let (decision, entries) = apply(&mut rows, op);
            prop_assert!(entries.is_empty(), "{:?} deducted after its release", op);
            let committed_before = decision.is_ok();
            prop_assert!(!(released && committed_before), "{:?}", op);
        }
    }
}
