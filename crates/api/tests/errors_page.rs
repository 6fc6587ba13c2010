//! Proves that `docs/errors.md` lists every business code with exactly the texts that are served,
//! and explains each of them.

use std::collections::BTreeSet;

use types::{Code, Locale};

const PAGE: &str = include_str!("../../../docs/errors.md");

#[test]
fn the_table_holds_every_code_with_the_texts_that_are_served() {
    let mut served: BTreeSet<[String; 3]> = Code::ALL.into_iter().map(row_of_code).collect();
    for text in [
        api::text::paid,
        api::text::already_paid,
        api::text::refunded,
    ] {
        served.insert([
            "0".to_owned(),
            text(Locale::Zh).to_owned(),
            text(Locale::En).to_owned(),
        ]);
    }
    let documented: BTreeSet<_> = PAGE.lines().filter_map(row_of_line).collect();
    assert_eq!(documented, served);
}

#[test]
fn every_number_has_an_entry_with_cause_and_remedy() {
    let served: BTreeSet<i32> = Code::ALL.into_iter().map(Code::number).collect();
    let mut documented = BTreeSet::new();
    for entry in PAGE.split("\n### ").skip(1) {
        let number = entry.split_whitespace().next().unwrap();
        assert!(entry.contains("\n**Cause.** "), "{number} has no cause");
        assert!(
            entry.contains("\n**What to do.** "),
            "{number} has no remedy"
        );
        documented.insert(number.parse::<i32>().unwrap());
    }
    assert_eq!(documented, served);
}

/// The number and both texts, with the states of a transition as placeholders.
fn row_of_code(code: Code) -> [String; 3] {
    let text = |locale| {
        let text = api::message(code, locale);
        match code {
            Code::IllegalTransition { from, to } => text
                .replace(from.name(), "{from}")
                .replace(to.name(), "{to}"),
            _ => text,
        }
    };
    [
        code.number().to_string(),
        text(Locale::Zh),
        text(Locale::En),
    ]
}

/// Reads `| number | zh | en |`; other lines are `None`.
fn row_of_line(line: &str) -> Option<[String; 3]> {
    let cells: Vec<_> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
    let [number, zh, en, ""] = cells[..] else {
        return None;
    };
    number.parse::<i32>().ok()?;
    Some([number.to_owned(), zh.to_owned(), en.to_owned()])
}
