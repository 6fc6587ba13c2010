//! `bookstore check`: audits all four databases, while the system runs or not.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use platform::clock::pause;
use platform::config::human_duration;
use platform::deadline::Deadline;

use crate::check::{Databases, Inquiry, Report};
use crate::config::Config;

/// The first wait before everything is read again; it doubles up to `PAUSE_MAX`.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_long_help = EXPLANATION)]
pub(crate) struct CheckArgs {
    /// Print one JSON object that lists everything
    #[arg(long)]
    json: bool,

    /// How long a doubt may take to clear up, as 30s or 2m: databases are read one after another,
    /// and a running system mends some things by itself
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = human_duration::parse)]
    wait: Duration,
}

const EXPLANATION: &str = "\
Reads the databases alone, asks no service, writes nothing and repairs nothing. What is wrong is named by the
law that is broken and by id; docs/check.md explains each law.

Exit codes: 0 nothing is wrong; 1 a law is broken; 2 wrong configuration, or a database that cannot be read.";

/// Audits the databases; exit code 1 where a law is broken.
///
/// # Errors
/// A database that cannot be read.
pub(crate) async fn run(args: CheckArgs, config: Config) -> anyhow::Result<ExitCode> {
    let databases = Databases::open(&config)?;
    let audited = audit(&databases, args.wait).await;
    databases.close().await;
    let report = audited?;
    let mut out = std::io::stdout().lock();
    if args.json {
        report.write_json(&mut out)?;
    } else {
        report.write_text(&mut out)?;
    }
    out.flush()?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Reads everything, and again while there are doubts and time for them.
async fn audit(databases: &Databases, wait: Duration) -> anyhow::Result<Report> {
    let (started, deadline) = (Instant::now(), Deadline::after(wait));
    let mut facts = databases.read().await?;
    let mut inquiry = Inquiry::open(&facts);
    let mut rest = PAUSE_FIRST;
    while inquiry.is_open() && !deadline.has_passed() {
        pause(rest.min(deadline.remaining())).await;
        rest = rest.saturating_mul(2).min(PAUSE_MAX);
        // One reading in memory at a time.
        drop(facts);
        facts = databases.read().await?;
        inquiry.hear(&facts);
    }
    let readings = inquiry.readings();
    Ok(Report::new(
        inquiry.close(),
        &facts,
        readings,
        started.elapsed(),
    ))
}
