//! The table at the end of a run.

use std::fmt::{self, Display};

use crate::fleet::Summary;
use crate::seed::Outcome;
use crate::tally::{Group, Moment};

/// A run, for people.
pub struct Report<'a>(pub &'a Summary);

impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            seeds,
            simulated,
            took,
            events,
            tally,
            failed,
        } = self.0;
        let minutes = simulated.as_secs() / 60;
        let ratio = simulated.as_millis() / took.as_millis().max(1);
        writeln!(f, "seeds                {seeds:>12}")?;
        writeln!(
            f,
            "simulated            {:>9} h {:02} min",
            minutes / 60,
            minutes % 60
        )?;
        writeln!(f, "took                 {:>10} s", took.as_secs())?;
        writeln!(f, "times real time      {ratio:>12}")?;
        writeln!(f, "events               {events:>12}")?;
        for (group, title) in [
            (Group::Trade, "trade"),
            (Group::Fault, "faults"),
            (Group::Answer, "what came of them"),
        ] {
            writeln!(f, "{title}")?;
            for moment in Moment::ALL.iter().filter(|moment| moment.group() == group) {
                writeln!(f, "  {:<42} {:>9}", moment.name(), tally.count(*moment))?;
            }
        }
        for outcome in failed {
            write!(f, "{}", Failure(outcome))?;
        }
        let broken: usize = failed.iter().map(|outcome| outcome.violations.len()).sum();
        writeln!(f, "violations           {broken:>12}")
    }
}

/// A seed that broke a law, and how to see it again.
pub struct Failure<'a>(pub &'a Outcome);

impl Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome {
            seed, violations, ..
        } = self.0;
        writeln!(f, "SEED {seed} FAILED")?;
        for violation in violations.iter().take(5) {
            let (law, what, at) = (violation.law, &violation.what, violation.at_ms);
            writeln!(f, "  {law} at {at} ms: {what}")?;
        }
        writeln!(f, "  again: cargo run -p sim -- --seed {seed} --trace")
    }
}
