use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use owo_colors::{OwoColorize, Stream};
use serde::Serialize;

use super::facts::Facts;
use super::finding::{Finding, Invariant};

/// How many lines one law gets in the report for people.
const LINES_MAX: usize = 20;

/// What to do about late tasks and the like in a system that is stopped.
const HINT: &str = "The order service is not running. What its workers see to (late tasks, overdue \
    orders, the payment feed)\nthey see to soon after its start: check again then.";

/// What the audit has come to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    clean: bool,
    violations: Vec<Violation>,
    checked: Counts,
    order_service_runs: bool,
    /// Whether a start of the system may mend some of it.
    #[serde(skip)]
    left_to_do: bool,
    readings: u32,
    elapsed_ms: u128,
}

/// One thing that is not as it must be.
#[derive(Debug, Serialize)]
struct Violation {
    invariant: Invariant,
    law: &'static str,
    subject: String,
    what: String,
}

/// How much was held against the laws, in the last reading.
#[derive(Debug, Serialize)]
struct Counts {
    books: u64,
    stocked_books: usize,
    holds: usize,
    orders: usize,
    tasks: usize,
    payments: usize,
    payment_events: u64,
}

impl Report {
    /// A report on `findings`, which come by law.
    pub(crate) fn new(
        findings: Vec<Finding>,
        last: &Facts,
        readings: u32,
        elapsed: Duration,
    ) -> Self {
        let violation = |finding: Finding| Violation {
            invariant: finding.invariant,
            law: finding.invariant.law(),
            subject: finding.subject,
            what: finding.what,
        };
        Self {
            clean: findings.is_empty(),
            left_to_do: findings.iter().any(Finding::is_left_to_do),
            violations: findings.into_iter().map(violation).collect(),
            checked: Counts {
                books: last.catalog.books,
                stocked_books: last.stock.books.len(),
                holds: last.stock.holds.len(),
                orders: last.orders.rows.len(),
                tasks: last.orders.tasks.len(),
                payments: last.money.payments.len(),
                payment_events: last.money.last_event_id,
            },
            order_service_runs: last.orders.is_running,
            readings,
            elapsed_ms: elapsed.as_millis(),
        }
    }

    /// Whether nothing is wrong.
    pub(crate) const fn is_clean(&self) -> bool {
        self.clean
    }

    /// Writes all of it as one JSON object.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// Writes it for people: what is wrong, law by law, and what was checked.
    pub(crate) fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let mut by_law: BTreeMap<Invariant, Vec<&Violation>> = BTreeMap::new();
        for violation in &self.violations {
            by_law
                .entry(violation.invariant)
                .or_default()
                .push(violation);
        }
        for (invariant, violations) in &by_law {
            write_law(out, *invariant, violations)?;
        }
        if self.left_to_do && !self.order_service_runs {
            writeln!(out, "{HINT}\n")?;
        }
        let verdict = match (self.violations.len(), by_law.len()) {
            (0, _) => green("nothing wrong"),
            (count, laws) => red(&format!(
                "{} of {}",
                counted_len(count, "violation"),
                counted_len(laws, "law")
            )),
        };
        writeln!(out, "{verdict}: {}", self.checked_line())
    }

    fn checked_line(&self) -> String {
        let checked = &self.checked;
        let (seconds, millis) = (
            self.elapsed_ms.div_euclid(1000),
            self.elapsed_ms.rem_euclid(1000),
        );
        format!(
            "checked {}, {} stocked, {}, {}, {}, {} and {}, in {seconds}.{:02} s and {}",
            counted(checked.books, "book"),
            checked.stocked_books,
            counted_len(checked.holds, "hold"),
            counted_len(checked.orders, "order"),
            counted_len(checked.tasks, "task"),
            counted_len(checked.payments, "payment"),
            counted(checked.payment_events, "event"),
            millis.div_euclid(10),
            counted(self.readings.into(), "reading")
        )
    }
}

fn write_law(out: &mut impl Write, invariant: Invariant, found: &[&Violation]) -> io::Result<()> {
    let heading = format!("{invariant} ({})", counted_len(found.len(), "violation"));
    writeln!(out, "{}: {}", red(&heading), invariant.law())?;
    for violation in found.iter().take(LINES_MAX) {
        writeln!(out, "  {}: {}", violation.subject, violation.what)?;
    }
    let left_out = found.len().saturating_sub(LINES_MAX);
    if left_out > 0 {
        writeln!(out, "  … and {left_out} more: --json lists them all")?;
    }
    writeln!(out)
}

fn counted_len(len: usize, noun: &str) -> String {
    counted(u64::try_from(len).unwrap_or(u64::MAX), noun)
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

fn red(text: &str) -> String {
    text.if_supports_color(Stream::Stdout, |text| text.red())
        .to_string()
}

fn green(text: &str) -> String {
    text.if_supports_color(Stream::Stdout, |text| text.green())
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::finding::Proof;
    use crate::check::sample::sound;

    fn report(violations: usize) -> Report {
        let finding = |number| {
            let subject = format!("book {number}");
            Finding::certain(
                Invariant::BookExists,
                subject,
                "ordered, and not in the catalog",
            )
        };
        let findings = (1..=violations).map(finding).collect();
        Report::new(findings, &sound(), 2, Duration::from_millis(1_234))
    }

    fn text(report: &Report) -> String {
        let mut out = Vec::new();
        report.write_text(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_clean_report_says_in_one_line_what_was_checked() {
        let report = report(0);
        assert!(report.is_clean());
        assert_eq!(
            text(&report),
            "nothing wrong: checked 2 books, 2 stocked, 2 holds, 8 orders, 0 tasks, 4 payments \
             and 10 events, in 1.23 s and 2 readings\n"
        );
    }

    #[test]
    fn violations_come_one_a_line_under_their_law_up_to_a_bound() {
        let text = text(&report(25));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "book-exists (25 violations): an ordered book is in the catalog, published or not"
        );
        assert_eq!(lines[1], "  book 1: ordered, and not in the catalog");
        assert_eq!(lines[20], "  book 20: ordered, and not in the catalog");
        assert_eq!(lines[21], "  … and 5 more: --json lists them all");
        assert!(
            lines[23].starts_with("25 violations of 1 law: checked "),
            "{text}"
        );
    }

    #[test]
    fn a_stopped_system_is_told_that_it_has_to_be_started() {
        let mut facts = sound();
        facts.orders.is_running = false;
        let lost = Finding::certain(Invariant::BookExists, "book 1", "lost");
        let late = Finding::certain(Invariant::TaskInTime, "order 1", "late");
        let late = late.until(Proof::NotMended);
        let told = |findings| {
            text(&Report::new(findings, &facts, 2, Duration::ZERO)).contains("not running")
        };
        assert!(told(vec![lost.clone(), late]));
        assert!(!told(vec![lost]), "no start brings it back");
        assert!(!told(vec![]));
    }

    #[test]
    fn json_lists_everything() {
        let mut out = Vec::new();
        report(25).write_json(&mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["clean"], false);
        assert_eq!(json["violations"].as_array().unwrap().len(), 25);
        assert_eq!(json["violations"][0]["invariant"], "book-exists");
        assert_eq!(json["violations"][0]["subject"], "book 1");
        assert_eq!(json["checked"]["orders"], 8);
        assert_eq!(json["readings"], 2);
    }
}
