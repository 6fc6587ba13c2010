//! Fuzzes without any further tool: `cargo run --release -p fuzz-targets -- --target all --seconds 5`.

use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use fuzz_targets::{Plan, Tally, fuzz, names, replay};

/// Drives fuzz targets with random input; exit code 1 where one found something.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which target, or `all`
    #[arg(long, default_value = "all")]
    target: String,

    /// The most executions of each target
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    executions: u64,

    /// The longest time for each target
    #[arg(long)]
    seconds: Option<u64>,

    /// How many targets run at the same time
    #[arg(long, default_value_t = 1)]
    jobs: usize,

    /// Makes the same inputs again
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Where inputs that found something are written
    #[arg(long, default_value = "fuzz-findings")]
    findings: PathBuf,

    /// Executes the input in this file, once
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,

    /// Prints the names of all targets
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.list {
        say(&names()?.join("\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(file) = &arguments.replay {
        let found = replay(&arguments.target, file)?;
        say(found.as_deref().unwrap_or("nothing found"))?;
        return Ok(exit_code(found.is_some()));
    }
    run(&arguments)
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let limited = arguments.executions != u64::MAX || arguments.seconds.is_some();
    ensure!(
        limited,
        "say how long: --executions N, --seconds S, or both"
    );
    let chosen = names()?
        .into_iter()
        .filter(|name| arguments.target == "all" || arguments.target == *name);
    let waiting: Mutex<VecDeque<String>> = Mutex::new(chosen.collect());
    let plan = Plan {
        executions: arguments.executions,
        time: arguments.seconds.map(Duration::from_secs),
        seed: arguments.seed,
        findings: arguments.findings.clone(),
    };
    let totals = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..arguments.jobs.max(1))
            .map(|_| scope.spawn(|| work(&waiting, &plan)))
            .collect();
        let ended = workers.into_iter().map(|worker| {
            let joined = worker.join();
            joined.map_err(|_| anyhow::anyhow!("the loop itself panicked"))?
        });
        ended.collect::<anyhow::Result<Vec<Totals>>>()
    })?;
    let all = totals.iter().fold(Totals::default(), |sum, one| Totals {
        targets: sum.targets.saturating_add(one.targets),
        executions: sum.executions.saturating_add(one.executions),
        findings: sum.findings.saturating_add(one.findings),
    });
    ensure!(all.targets > 0, "there is no target {}", arguments.target);
    say(&format!(
        "{} targets, {} executions, {} findings",
        all.targets, all.executions, all.findings
    ))?;
    Ok(exit_code(all.findings > 0))
}

#[derive(Default)]
struct Totals {
    targets: u64,
    executions: u64,
    findings: u64,
}

/// Takes one target after the other until none waits.
fn work(waiting: &Mutex<VecDeque<String>>, plan: &Plan) -> anyhow::Result<Totals> {
    let mut totals = Totals::default();
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    };
    while let Some(name) = next() {
        let tally = fuzz(&name, plan).with_context(|| name.clone())?;
        tell(&name, &tally)?;
        totals.targets = totals.targets.saturating_add(1);
        totals.executions = totals.executions.saturating_add(tally.executions);
        totals.findings = totals
            .findings
            .saturating_add(u64::from(tally.finding.is_some()));
    }
    Ok(totals)
}

fn tell(name: &str, tally: &Tally) -> anyhow::Result<()> {
    let micros = u64::try_from(tally.elapsed.as_micros()).unwrap_or(u64::MAX);
    let per_second = tally
        .executions
        .saturating_mul(1_000_000)
        .checked_div(micros)
        .unwrap_or(0);
    say(&format!(
        "{name:<32} {:>12} executions {per_second:>9}/s",
        tally.executions
    ))?;
    if let Some(finding) = &tally.finding {
        let file = finding.file.display();
        say(&format!(
            "  FOUND: {}\n  again: cargo run --release -p fuzz-targets -- --target {name} --replay {file}",
            finding.why
        ))?;
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("standard output")
}

fn exit_code(found: bool) -> ExitCode {
    ExitCode::from(u8::from(found))
}
