//! What is counted, and what of it is measured.
//!
//! The warm-up counts for nothing. Rates are of the operations that ended inside the window; latencies are
//! of those that were due inside it, whenever they ended. What a flash sale sells is on sale from the
//! opening of the window on; so what was due before that does not count for its rates either.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use types::Code;

use super::call::{Miss, Outcome};
use super::figures::{latencies, micros};
use super::scenario::Operation;

/// How many wrong answers are told; all are counted.
const WRONG_TOLD_MAX: usize = 10;

/// The time that is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) open: Instant,
    pub(super) close: Instant,
    /// Whether rates leave out what was due before the opening.
    pub(super) is_sale: bool,
}

impl Window {
    fn contains(&self, moment: Instant) -> bool {
        self.open <= moment && moment < self.close
    }

    /// How long it is.
    pub(super) fn length(&self) -> Duration {
        self.close.saturating_duration_since(self.open)
    }
}

/// What became of one kind of operation.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) accepted: u64,
    pub(super) refused: BTreeMap<i32, u64>,
    pub(super) failed: BTreeMap<String, u64>,
    pub(super) latency: Histogram<u64>,
    pub(super) latency_refused: Histogram<u64>,
}

/// What one second looked like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Second {
    /// When it ended, from the opening of the window.
    pub(super) end_ms: u64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
}

/// Everything that the buyers saw.
pub(super) struct Tally {
    pub(super) window: Window,
    pub(super) rows: BTreeMap<Operation, Row>,
    pub(super) seconds: Vec<Second>,
    /// How long operations that nobody took up had waited when the window closed.
    pub(super) left_over: Histogram<u64>,
    /// When, from the opening of the window on, the first buyer was told "sold out".
    pub(super) sold_out: Option<Duration>,
    /// Answers that were not true, warm-up included.
    pub(super) wrong: u64,
    pub(super) wrong_told: Vec<&'static str>,
    blank: Row,
    now: Now,
}

/// The second that is not over.
struct Now {
    accepted: u64,
    refused: u64,
    failed: u64,
    latency: Histogram<u64>,
}

impl Tally {
    pub(super) fn new(window: Window) -> anyhow::Result<Self> {
        let empty = latencies()?;
        Ok(Self {
            window,
            rows: BTreeMap::new(),
            seconds: Vec::new(),
            left_over: empty.clone(),
            sold_out: None,
            wrong: 0,
            wrong_told: Vec::new(),
            blank: Row {
                accepted: 0,
                refused: BTreeMap::new(),
                failed: BTreeMap::new(),
                latency: empty.clone(),
                latency_refused: empty.clone(),
            },
            now: Now {
                accepted: 0,
                refused: 0,
                failed: 0,
                latency: empty,
            },
        })
    }

    /// Counts an operation that was due at `due` and ended at `end`.
    pub(super) fn note(
        &mut self,
        operation: Operation,
        due: Instant,
        end: Instant,
        outcome: Outcome,
    ) {
        let took = micros(end.saturating_duration_since(due));
        self.now.note(outcome, took);
        if let Err(Miss::Wrong(what)) = outcome {
            self.note_wrong(what);
        }
        let is_measured = self.window.contains(due);
        let counts = self.window.contains(end) && (is_measured || !self.window.is_sale);
        let blank = &self.blank;
        let row = self.rows.entry(operation).or_insert_with(|| blank.clone());
        if counts {
            row.count(outcome);
        }
        if is_measured {
            row.measure(outcome, took);
        }
        if counts && outcome == Err(Miss::Refused(Code::InsufficientStock.number())) {
            let since = end.saturating_duration_since(self.window.open);
            self.sold_out = Some(self.sold_out.map_or(since, |first| first.min(since)));
        }
    }

    /// Counts an operation that was due at `due`, and that nobody had taken up when the window closed: it
    /// took at least as long as it had waited by then.
    pub(super) fn note_left_over(&mut self, due: Instant) {
        if self.window.contains(due) {
            let waited = self.window.close.saturating_duration_since(due);
            self.left_over.saturating_record(micros(waited));
        }
    }

    /// Ends the second at `end`, and answers it; it is kept where it lies in the window.
    pub(super) fn end_second(&mut self, end: Instant) -> Second {
        let second = self
            .now
            .end(end.saturating_duration_since(self.window.open));
        if end > self.window.open {
            self.seconds.push(second);
        }
        second
    }

    /// Closes the window now, if it is still open.
    pub(super) fn close(&mut self, now: Instant) {
        self.window.close = self.window.close.min(now.max(self.window.open));
    }

    fn note_wrong(&mut self, what: &'static str) {
        self.wrong = self.wrong.saturating_add(1);
        if self.wrong_told.len() < WRONG_TOLD_MAX && !self.wrong_told.contains(&what) {
            self.wrong_told.push(what);
        }
    }
}

impl Row {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Ok(()) => self.accepted += 1,
            Err(Miss::Refused(code)) => *self.refused.entry(code).or_default() += 1,
            Err(Miss::Failed(failure)) => *self.failed.entry(failure.to_string()).or_default() += 1,
            Err(Miss::Wrong(_)) => *self.failed.entry("wrong answer".to_owned()).or_default() += 1,
        }
    }

    fn measure(&mut self, outcome: Outcome, took: u64) {
        match outcome {
            Ok(()) => self.latency.saturating_record(took),
            Err(Miss::Refused(_)) => self.latency_refused.saturating_record(took),
            // How quickly something failed is nothing to be proud of.
            Err(Miss::Failed(_) | Miss::Wrong(_)) => {}
        }
    }
}

impl Now {
    fn note(&mut self, outcome: Outcome, took: u64) {
        match outcome {
            Ok(()) => {
                self.accepted += 1;
                self.latency.saturating_record(took);
            }
            Err(Miss::Refused(_)) => self.refused += 1,
            Err(Miss::Failed(_) | Miss::Wrong(_)) => self.failed += 1,
        }
    }

    fn end(&mut self, end: Duration) -> Second {
        let second = Second {
            end_ms: u64::try_from(end.as_millis()).unwrap_or(u64::MAX),
            accepted: std::mem::take(&mut self.accepted),
            refused: std::mem::take(&mut self.refused),
            failed: std::mem::take(&mut self.failed),
            p50_us: self.latency.value_at_quantile(0.5),
            p99_us: self.latency.value_at_quantile(0.99),
            max_us: self.latency.max(),
        };
        self.latency.reset();
        second
    }
}

#[cfg(test)]
mod tests {
    use super::super::call::Failure;
    use super::*;

    /// A window of ten seconds, and the moment that lies so many milliseconds after its opening.
    fn tally() -> anyhow::Result<(Tally, impl Fn(i64) -> Instant)> {
        let base = Instant::now();
        let at = move |millis: i64| {
            base + Duration::from_millis(u64::try_from(50_000 + millis).unwrap())
        };
        let open = at(0);
        let window = Window {
            open,
            close: at(10_000),
            is_sale: false,
        };
        Ok((Tally::new(window)?, at))
    }

    #[test]
    fn rates_are_of_what_ended_in_the_window_and_latencies_of_what_was_due_in_it()
    -> anyhow::Result<()> {
        let (mut tally, at) = tally()?;
        for (due, end) in [
            (-2_000, -1_000), // the warm-up
            (-2_000, 1_000),  // due in the warm-up, done in the window
            (1_000, 2_000),   // inside
            (9_000, 14_000),  // due inside, done too late for the rate
            (10_000, 10_500), // after it
        ] {
            tally.note(Operation::Deduct, at(due), at(end), Ok(()));
        }
        let row = &tally.rows[&Operation::Deduct];
        assert_eq!((row.accepted, row.latency.len()), (2, 2));
        let longest = row.latency.max();
        assert!((4_990_000..=5_010_000).contains(&longest), "{longest}");
        Ok(())
    }

    #[test]
    fn a_sale_counts_from_its_opening_on() -> anyhow::Result<()> {
        let (mut tally, at) = tally()?;
        tally.window.is_sale = true;
        for (due, end) in [(-10, 10), (0, 20), (10, 30)] {
            tally.note(Operation::CreateOrder, at(due), at(end), Ok(()));
        }
        assert_eq!(tally.rows[&Operation::CreateOrder].accepted, 2);
        Ok(())
    }

    #[test]
    fn a_stall_is_charged_to_everybody_who_was_due_in_it() -> anyhow::Result<()> {
        // Due every 10 ms; the one buyer's first answer takes a second, the others no time.
        let (mut tally, at) = tally()?;
        for number in 0..100 {
            tally.note(Operation::GetBook, at(number * 10), at(1_000), Ok(()));
        }
        let row = &tally.rows[&Operation::GetBook];
        let median = row.latency.value_at_quantile(0.5);
        assert!((490_000..=510_000).contains(&median), "{median}");
        Ok(())
    }

    #[test]
    fn what_nobody_took_up_counts_with_the_time_it_had_waited() -> anyhow::Result<()> {
        let (mut tally, at) = tally()?;
        tally.note_left_over(at(-1));
        tally.note_left_over(at(4_000));
        tally.note_left_over(at(10_000));
        assert_eq!(tally.left_over.len(), 1);
        let waited = tally.left_over.max();
        assert!((5_990_000..=6_010_000).contains(&waited), "{waited}");
        Ok(())
    }

    #[test]
    fn refusals_and_failures_are_counted_apart() -> anyhow::Result<()> {
        let (mut tally, at) = tally()?;
        let sold_out = Err(Miss::Refused(40100));
        for (end, outcome) in [
            (700, sold_out),
            (600, sold_out),
            (600, Err(Miss::Failed(Failure::Late))),
            (600, Err(Miss::Wrong("not so"))),
            (-100, Err(Miss::Wrong("not so"))),
            (600, Ok(())),
        ] {
            tally.note(Operation::CreateOrder, at(end - 50), at(end), outcome);
        }
        let row = &tally.rows[&Operation::CreateOrder];
        assert_eq!((row.accepted, row.refused[&40100]), (1, 2));
        assert_eq!(row.failed.values().sum::<u64>(), 2);
        assert_eq!((row.latency.len(), row.latency_refused.len()), (1, 2));
        assert_eq!(tally.sold_out, Some(Duration::from_millis(600)));
        assert_eq!(
            (tally.wrong, tally.wrong_told.as_slice()),
            (2, &["not so"][..])
        );
        Ok(())
    }

    #[test]
    fn seconds_are_cut_one_after_the_other() -> anyhow::Result<()> {
        let (mut tally, at) = tally()?;
        tally.note(Operation::Deduct, at(-9), at(-1), Ok(()));
        tally.end_second(at(0));
        tally.note(Operation::Deduct, at(0), at(500), Ok(()));
        tally.note(Operation::Deduct, at(0), at(600), Err(Miss::Refused(40100)));
        tally.end_second(at(1_000));
        tally.end_second(at(2_000));
        let counts: Vec<_> = tally
            .seconds
            .iter()
            .map(|s| (s.end_ms, s.accepted, s.refused))
            .collect();
        assert_eq!(counts, [(1_000, 1, 1), (2_000, 0, 0)]);
        // Cut short, the window ends where the run did.
        tally.close(at(2_000));
        assert_eq!(tally.window.length(), Duration::from_secs(2));
        Ok(())
    }
}
