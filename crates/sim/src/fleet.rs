//! Many seeds: several at once, each in a thread of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::seed::{Outcome, run_seed};
use crate::tally::Tally;

/// Which seeds to run.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The first seed.
    pub from: u64,
    /// How many at the most.
    pub count: u64,
    /// How long at the most.
    pub limit: Option<Duration>,
    /// How many at once.
    pub jobs: usize,
}

/// What came of many seeds.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many were run.
    pub seeds: u64,
    /// Their simulated time together.
    pub simulated: Duration,
    /// The time it took.
    pub took: Duration,
    /// Their events together.
    pub events: u64,
    /// What happened how often, in all of them.
    pub tally: Tally,
    /// Those in which a law was broken, by seed.
    pub failed: Vec<Outcome>,
}

impl Summary {
    fn take_in(&mut self, outcome: Outcome) {
        self.seeds = self.seeds.saturating_add(1);
        self.simulated = self.simulated.saturating_add(outcome.simulated);
        self.events = self.events.saturating_add(outcome.events);
        self.tally += &outcome.tally;
        if !outcome.violations.is_empty() {
            self.failed.push(outcome);
        }
    }
}

/// Runs the seeds; `progress` hears of each as it is done.
///
/// # Errors
/// No runtime can be had from the system.
pub fn run_seeds(wanted: Wanted, mut progress: impl FnMut(&Summary)) -> std::io::Result<Summary> {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (done, outcomes) = mpsc::channel();
    let mut summary = Summary::default();
    thread::scope(|scope| {
        for _ in 0..wanted.jobs.max(1) {
            let (done, next, stop) = (done.clone(), &next, &stop);
            scope.spawn(move || {
                loop {
                    let late = wanted.limit.is_some_and(|limit| began.elapsed() >= limit);
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= wanted.count || late || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = run_seed(wanted.from.saturating_add(number), false);
                    if done.send(outcome).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for outcome in outcomes {
            match outcome {
                Ok(outcome) => summary.take_in(outcome),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
            summary.took = began.elapsed();
            progress(&summary);
        }
        Ok(())
    })?;
    summary.failed.sort_by_key(|outcome| outcome.seed);
    summary.took = began.elapsed();
    Ok(summary)
}
