//! A suite: the tests of one target of a crate, run in a process of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::binaries::Binary;
use crate::splice::VARIABLE;

/// How long tests wait for what should come true, in seconds: with most faults it never does.
const PATIENCE_S: u32 = 10;

/// Which tests are run: `order` (those in the crate), `order/it` (a target of its own), and, after
/// that, parts of names that narrow it down: `order/it saga feed`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Suite {
    /// What is built.
    pub(crate) target: Target,
    /// Parts of names; none: all tests.
    filters: Vec<String>,
}

/// A test target of a crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// The crate.
    pub(crate) package: String,
    /// The target under `tests/`; `None`: the tests beside the code.
    pub(crate) test: Option<String>,
}

/// What came of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every test passed.
    Green,
    /// This test failed first; the rest was not waited for.
    Red(String),
    /// The process ended badly without naming a test.
    Died(String),
    /// There was no end within the limit.
    Hung(Duration),
}

impl TryFrom<String> for Suite {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut words = text.split_whitespace().map(str::to_owned);
        let target = words.next().ok_or("a suite without a name")?;
        let target = match target.split_once('/') {
            None => Target {
                package: target,
                test: None,
            },
            Some((package, test)) => Target {
                package: package.to_owned(),
                test: Some(test.to_owned()),
            },
        };
        Ok(Self {
            target,
            filters: words.collect(),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            None => f.write_str(&self.package),
            Some(test) => write!(f, "{}/{test}", self.package),
        }
    }
}

impl Suite {
    /// All tests that these suites of one target hold.
    pub(crate) fn union<'s>(target: &Target, suites: impl Iterator<Item = &'s Self>) -> Self {
        let suites: Vec<_> = suites.filter(|suite| suite.target == *target).collect();
        let is_whole = suites.iter().any(|suite| suite.filters.is_empty());
        let filters: BTreeSet<_> = suites.iter().flat_map(|suite| &suite.filters).collect();
        Self {
            target: target.clone(),
            filters: if is_whole {
                Vec::new()
            } else {
                filters.into_iter().cloned().collect()
            },
        }
    }

    /// One test of a target, by its whole name.
    pub(crate) fn only(&self, test: &str) -> Self {
        Self {
            target: self.target.clone(),
            filters: vec!["--exact".to_owned(), test.to_owned()],
        }
    }

    /// Runs the tests with `fault` planted, until the first one fails; what they print goes to `log`.
    pub(crate) fn run(
        &self,
        binary: &Binary,
        fault: Option<&str>,
        limit: Duration,
        log: &Path,
    ) -> anyhow::Result<Verdict> {
        let mut log = File::create(log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(&binary.executable);
        command
            .args(&self.filters)
            .current_dir(&binary.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?);
        command.env("BOOKSTORE_TEST_PATIENCE", PATIENCE_S.to_string());
        command.env_remove(VARIABLE);
        if let Some(fault) = fault {
            command.env(VARIABLE, fault);
        }
        let mut child = command.spawn().with_context(|| self.target.to_string())?;
        let verdict = self.watch(&mut child, limit, &mut log);
        // Servers that the tests started end with their standard input, which this closes.
        drop(child.kill());
        child.wait()?;
        verdict
    }

    fn watch(&self, child: &mut Child, limit: Duration, log: &mut File) -> anyhow::Result<Verdict> {
        let output = child.stdout.take().context("no output")?;
        let (teller, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if teller.send(line).is_err() {
                    return;
                }
            }
        });
        let started = Instant::now();
        loop {
            let left = limit.saturating_sub(started.elapsed());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    writeln!(log, "{line}")?;
                    if line == "running 0 tests" {
                        bail!("{self:?} selects no test");
                    }
                    if let Some(test) = failed_test(&line) {
                        return Ok(Verdict::Red(test.to_owned()));
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Verdict::Hung(limit)),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = child.wait()?;
                    return Ok(if status.success() {
                        Verdict::Green
                    } else {
                        Verdict::Died(status.to_string())
                    });
                }
            }
        }
    }
}

/// The test that a line of the test runner reports as failed.
fn failed_test(line: &str) -> Option<&str> {
    let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(name.strip_suffix(" - should panic").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    //! Proves how a suite is named and how the runner's report is read.

    use super::*;

    #[test]
    fn a_suite_names_a_target_and_parts_of_names() {
        let suite = Suite::try_from("order/it saga feed".to_owned()).unwrap();
        assert_eq!(suite.target.to_string(), "order/it");
        assert_eq!(suite.filters, ["saga", "feed"]);
        let units = Suite::try_from("types".to_owned()).unwrap();
        assert_eq!((units.target.test, units.filters), (None, Vec::new()));
        assert!(Suite::try_from(" ".to_owned()).is_err());
    }

    #[test]
    fn only_a_failed_test_is_a_failed_test() {
        assert_eq!(failed_test("test a::b ... FAILED"), Some("a::b"));
        assert_eq!(failed_test("test a::b ... ok"), None);
        assert_eq!(failed_test("test result: FAILED. 1 passed"), None);
    }
}
