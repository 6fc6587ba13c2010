//! What a person at the terminal sees.

use std::io::Write;
use std::time::Duration;

use crate::campaign::{End, Outcome};
use crate::fault::Fault;
use crate::suite::Verdict;

/// Says one line.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

/// Prints the faults and the rules they break.
pub(crate) fn list<'f>(faults: impl Iterator<Item = &'f Fault>) -> anyhow::Result<()> {
    for fault in faults {
        say(&format!("{:<36}  {}", fault.name, fault.rule))?;
    }
    Ok(())
}

/// Says what became of one fault, as soon as that is known.
pub(crate) fn progress(outcome: &Outcome<'_>) -> anyhow::Result<()> {
    say(&line(outcome))
}

/// Prints the table of all faults; answers how many survived.
pub(crate) fn table(outcomes: &[Outcome<'_>]) -> anyhow::Result<usize> {
    say("")?;
    for outcome in outcomes {
        say(&line(outcome))?;
        say(&format!("{:>9}{}", "", outcome.fault.rule))?;
    }
    let count = |is: fn(&End) -> bool| outcomes.iter().filter(|outcome| is(&outcome.end)).count();
    let caught = count(|end| matches!(end, End::Caught(..)));
    let survived = count(|end| matches!(end, End::Survived));
    let left_out = count(|end| matches!(end, End::LeftOut(_)));
    let mut times: Vec<_> = outcomes.iter().map(|outcome| outcome.took).collect();
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let longest = times.last().copied().unwrap_or_default();
    say(&format!(
        "\n{} faults planted: {caught} caught, {survived} survived, {left_out} left out; median {}, longest {}",
        outcomes.len(),
        seconds(median),
        seconds(longest),
    ))?;
    Ok(survived)
}

fn line(outcome: &Outcome<'_>) -> String {
    let end = match &outcome.end {
        End::Caught(suite, Verdict::Red(test)) => format!("{suite}: {test}"),
        End::Caught(suite, Verdict::Died(status)) => format!("{suite}: died, {status}"),
        End::Caught(suite, Verdict::Hung(limit)) => {
            format!("{suite}: hangs, no end within {}", seconds(*limit))
        }
        End::Caught(suite, Verdict::Green) => format!("{suite}: green"),
        End::Survived => "SURVIVED".to_owned(),
        End::LeftOut(program) => format!("LEFT OUT: {program} is not installed"),
    };
    let (took, name) = (seconds(outcome.took), &outcome.fault.name);
    format!("{took:>7}  {name:<36}  {end}")
}

/// A duration as people read it: `0.3 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let tenths = duration.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}
