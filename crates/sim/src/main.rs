//! `cargo run -p sim`: runs seeds, and tells what came of them. Exit code 1 where a law was broken.

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sim::fleet::{Summary, Wanted, run_seeds};
use sim::report::{Failure, Report};
use sim::run_seed;
use tracing_subscriber::EnvFilter;

/// The whole bookstore, simulated from seeds, under faults.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Runs seeds for so many minutes instead of counting them.
    #[arg(long)]
    minutes: Option<u64>,
    /// How many to run at once; as many as there are processors where not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Runs this one seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints the story of the one seed; with it also the services' own log, as `RUST_LOG` has it.
    #[arg(long, requires = "seed")]
    trace: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => run_one(seed, arguments.trace),
        None => run_many(&arguments),
    }
}

#[expect(clippy::print_stdout, reason = "the answer of the program")]
fn run_one(seed: u64, told: bool) -> anyhow::Result<ExitCode> {
    if told {
        let filter = EnvFilter::from_default_env();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .without_time()
            .init();
    }
    let outcome = run_seed(seed, told)?;
    println!(
        "seed {seed}: hash {:016x}, {} events, {} s simulated",
        outcome.hash,
        outcome.events,
        outcome.simulated.as_secs()
    );
    if outcome.violations.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", Failure(&outcome));
    Ok(ExitCode::FAILURE)
}

#[expect(clippy::print_stdout, reason = "the answer of the program")]
fn run_many(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let minutes = arguments
        .minutes
        .map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
    let wanted = Wanted {
        from: arguments.from,
        count: if minutes.is_some() {
            u64::MAX
        } else {
            arguments.seeds
        },
        limit: minutes,
        jobs: arguments.jobs.unwrap_or(processors),
    };
    let summary = run_seeds(wanted, show_progress)?;
    print!("{}", Report(&summary));
    Ok(if summary.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One line that is written over and over, on a terminal.
fn show_progress(summary: &Summary) {
    let mut out = stderr();
    if !out.is_terminal() || !summary.seeds.is_multiple_of(10) {
        return;
    }
    let (seeds, failed) = (summary.seeds, summary.failed.len());
    let hours = summary.simulated.as_secs() / 3600;
    // Progress that cannot be shown is no reason to stop.
    drop(write!(
        out,
        "\r{seeds} seeds, {hours} h simulated, {failed} failed"
    ));
    drop(out.flush());
}
