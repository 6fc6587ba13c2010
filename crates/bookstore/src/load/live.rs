//! What a person sees while a run is under way: one line that moves on a terminal, a line a second
//! elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::figures::{grouped, millis};
use super::tally::Second;

/// The live display.
pub(crate) struct Live {
    view: View,
}

enum View {
    /// A line on standard error that is written over and over.
    Bar(ProgressBar),
    Lines(Box<dyn Write + Send>),
}

impl Live {
    /// Shows on the terminal, where there is one; else plain lines, past standard output where that
    /// `is_taken` by the result.
    pub(crate) fn new(is_taken: bool) -> anyhow::Result<Self> {
        let is_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        let view = if is_terminal {
            let bar = ProgressBar::new_spinner();
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}")?);
            View::Bar(bar)
        } else if is_taken {
            View::Lines(Box::new(io::stderr()))
        } else {
            View::Lines(Box::new(io::stdout()))
        };
        Ok(Self { view })
    }

    /// Shows plain lines on `out`.
    #[cfg(test)]
    pub(super) fn lines(out: impl Write + Send + 'static) -> Self {
        Self {
            view: View::Lines(Box::new(out)),
        }
    }

    /// Says what is being done before and after the run.
    pub(super) fn say(&mut self, what: &str) {
        self.show(&format!("{what} ..."));
    }

    /// Shows a second that has just ended; `measured` is how far the measurement is, before it `None`.
    pub(super) fn second(&mut self, second: Second, measured: Option<Duration>) {
        let when = measured.map_or_else(
            || "warm-up".to_owned(),
            |time| format!("{:>5.0} s", time.as_secs_f64()),
        );
        let mut line = format!(
            "{when:>7}  {:>9} done  p50 {:>9}  p99 {:>9}",
            grouped(second.accepted),
            millis(second.p50_us),
            millis(second.p99_us),
        );
        for (count, what) in [(second.refused, "refused"), (second.failed, "failed")] {
            if count > 0 {
                line = format!("{line}  {} {what}", grouped(count));
            }
        }
        self.show(&line);
    }

    /// Makes room for the report.
    pub(super) fn end(&mut self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    fn show(&mut self, line: &str) {
        match &mut self.view {
            View::Bar(bar) => {
                bar.set_message(line.to_owned());
                bar.tick();
            }
            // A reader that went away misses the display, and not the measurement.
            View::Lines(out) => drop(writeln!(out, "{line}").and_then(|()| out.flush())),
        }
    }
}
