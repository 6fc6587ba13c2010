//! Proves that a seed is one run, in this process and in another; that no law is broken in two hundred
//! seeds nor in any that once broke one; and that those two hundred meet every kind of fault, and take
//! every branch that is counted.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use sim::fleet::{Summary, Wanted, run_seeds};
use sim::report::Report;
use sim::run_seed;
use sim::tally::Moment;

/// Seeds that once showed a fault, a line each: the seed, then what it showed.
const REGRESSIONS: &str = include_str!("regressions.txt");
/// How many seeds are run in an ordinary test.
const SEEDS: u64 = 200;

/// The seeds of an ordinary test, run once for all tests that look at them.
fn seeds() -> anyhow::Result<&'static Summary> {
    static SUMMARY: OnceLock<Result<Summary, String>> = OnceLock::new();
    let wanted = Wanted {
        from: 1,
        count: SEEDS,
        limit: None,
        jobs: 2,
    };
    let summary = SUMMARY.get_or_init(|| run_seeds(wanted, |_| {}).map_err(|e| e.to_string()));
    summary.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

#[test]
fn no_law_is_broken() -> anyhow::Result<()> {
    let summary = seeds()?;
    ensure!(summary.failed.is_empty(), "{}", Report(summary));
    ensure!(summary.seeds == SEEDS, "{} seeds", summary.seeds);
    Ok(())
}

#[test]
fn every_fault_strikes_and_every_branch_is_taken() -> anyhow::Result<()> {
    let summary = seeds()?;
    let never: Vec<_> = Moment::ALL
        .iter()
        .filter(|moment| summary.tally.count(**moment) == 0)
        .map(|moment| moment.name())
        .collect();
    ensure!(never.is_empty(), "never in {SEEDS} seeds: {never:?}");
    Ok(())
}

#[test]
fn a_seed_is_the_same_run_every_time() -> anyhow::Result<()> {
    for seed in 1..=6 {
        let (one, other) = (run_seed(seed, false)?, run_seed(seed, false)?);
        ensure!(one.hash == other.hash, "seed {seed} ran in two ways");
        ensure!(one.tally == other.tally, "seed {seed} counted in two ways");
    }
    ensure!(run_seed(1, false)?.hash != run_seed(2, false)?.hash);
    Ok(())
}

#[test]
fn a_seed_is_the_same_run_in_another_process() -> anyhow::Result<()> {
    for seed in 7..=9_u64 {
        let here = format!("{:016x}", run_seed(seed, false)?.hash);
        let told = Command::new(env!("CARGO_BIN_EXE_sim"))
            .args(["--seed", &seed.to_string()])
            .output()?;
        let told = String::from_utf8(told.stdout)?;
        ensure!(
            told.contains(&here),
            "seed {seed}: {here} here, there {told}"
        );
    }
    Ok(())
}

#[test]
fn seeds_that_once_broke_a_law_do_not_any_more() -> anyhow::Result<()> {
    let lines = REGRESSIONS.lines().filter(|line| !line.starts_with('#'));
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let seed = line.split_whitespace().next().context("no seed")?;
        let outcome = run_seed(seed.parse()?, false)?;
        ensure!(
            outcome.violations.is_empty(),
            "{line}: {:?}",
            outcome.violations
        );
    }
    Ok(())
}
