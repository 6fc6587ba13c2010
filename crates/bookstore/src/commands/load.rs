//! `bookstore load SCENARIO`: load on a running system, measured and verified.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::duration::parse_duration;
use super::signal::{Signals, Words};
use crate::clients::{Addresses, Clients};
use crate::config::Config;
use crate::load::{
    BOOKS_MAX, Live, Plan, Report, Scenario, Watched, Watching, draw, run as run_load,
};
use crate::tell;

/// Where a result goes that is to be printed.
const STANDARD_OUTPUT: &str = "-";
/// The longest run.
const DURATION_MAX: Duration = Duration::from_hours(24);
/// What `bookstore serve` adds to the port of the metrics page, for each service.
const METRICS_OFFSETS: [u16; 5] = [0, 3, 4, 5, 6];

const WORDS: Words = Words {
    ending: "ending early: what is on its way is finished, then verified",
    broken_off: "stopped in the midst of the run: nothing was verified, and its books stay in the shop",
    say: tell,
};

/// Arguments of `load`.
#[derive(Debug, Args)]
#[command(after_long_help = EXPLANATION)]
pub(crate) struct LoadArgs {
    /// What to do, again and again
    scenario: Scenario,

    /// Operations at the same time (open loop: at the most)
    #[arg(long, value_name = "BUYERS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,

    /// Connections to each service, shared by the buyers
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,

    /// Open loop: so many operations fall due each second, whether the last were answered or not
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<NonZeroU32>,

    /// How long is measured
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_run)]
    duration: Duration,

    /// How long before that the load is on and counts for nothing
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_run)]
    warmup: Duration,

    /// How many books there are to choose from
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=i64::from(BOOKS_MAX)))]
    books: u32,

    /// Exponent of the books' popularity (Zipf's law): 0 makes all alike
    #[arg(long, value_name = "EXPONENT", default_value = "0.99", value_parser = parse_exponent)]
    zipf: f64,

    /// Copies that the flash sale has
    #[arg(long, value_name = "COPIES", default_value_t = 10_000, value_parser = clap::value_parser!(i32).range(1..))]
    stock: i32,

    /// Order without idempotency keys, as nobody should who may have to repeat: such orders are made more cheaply
    #[arg(long)]
    without_keys: bool,

    /// Write the result as one JSON object; `-` prints it in place of the report
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Draw latency by percentile and over time
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// Processes of this machine whose CPU time is reported
    #[arg(long, value_name = "NAME=PID", value_delimiter = ',')]
    pids: Vec<Watched>,

    /// Metrics pages of the services, for CPU time and the work of databases [default: the configured
    /// ones that are there]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    metrics: Vec<String>,

    /// How long what was cancelled or failed may take to be undone, before it counts as lost
    #[arg(long, value_name = "TIME", default_value = "35s", value_parser = parse_run)]
    settle: Duration,

    /// How long one call may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_run)]
    timeout: Duration,

    /// Host of all services [default: where the configuration has them listen]
    #[arg(long)]
    host: Option<String>,

    /// Where the catalog is; likewise the others
    #[arg(long, value_name = "HOST:PORT")]
    catalog: Option<String>,
    #[arg(long, value_name = "HOST:PORT", hide_short_help = true)]
    inventory: Option<String>,
    #[arg(long, value_name = "HOST:PORT", hide_short_help = true)]
    order: Option<String>,
    #[arg(long, value_name = "HOST:PORT", hide_short_help = true)]
    payment: Option<String>,
}

const EXPLANATION: &str = "\
Closed loop, without --rate: each buyer begins the next operation when the last one is answered. Open
loop, with --rate: operations fall due at fixed moments, and a latency counts from then, so that a stall is
charged to everybody whom it held up.

The run brings its own books, under ids from 2^51 to 2^52. Reads use books that stay; whatever takes stock
uses new ones, and takes them out of the shop in the end. Orders and deductions stay, so this is for
test systems.

Afterwards the stock of all books and the orders of all buyers are read back. Copies taken must be those that
were acknowledged; a call that was not answered may have taken its own, or not.

Exit codes: 0 well; 1 an answer was wrong, something does not add up or could not be verified, or nothing
was accepted; 2 the system does not answer, or the arguments are wrong. Ctrl-C ends the run early and
reports.";

/// Runs the load; exit code 1 where an answer was wrong.
pub(crate) async fn run(args: LoadArgs, config: Config) -> anyhow::Result<ExitCode> {
    let addresses = args.addresses(&config);
    let connections: Result<Vec<_>, _> = (0..args.connections)
        .map(|_| Clients::connect_to(&addresses))
        .collect();
    let connections = connections?;
    let json = args.json.as_deref().filter(|path| !is_stdout(path));
    let json = json.map(create).transpose()?;
    let plot = args.plot.as_deref().map(create).transpose()?;
    let plan = args.plan();
    let watching = args.watching(&config);
    let mut live = Live::new(args.json.as_deref().is_some_and(is_stdout))?;
    let stop = CancellationToken::new();
    let mut ended = None;
    let work = async {
        ended = Some(run_load(&plan, &connections, watching, &mut live, &stop).await);
    };
    // On the heap: the futures of a whole run are large for a stack.
    let work = Box::pin(work);
    let told_twice = Signals::listen()?.guard(WORDS, stop.clone(), work).await;
    let Some(report) = ended else {
        return Ok(told_twice);
    };
    let report = report?;
    write_all(&args, &report, json, plot)?;
    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn write_all(
    args: &LoadArgs,
    report: &Report,
    json: Option<File>,
    plot: Option<File>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    if args.json.as_deref().is_some_and(is_stdout) {
        report.write_json(&mut out)?;
    } else {
        report.write_text(&mut out)?;
    }
    if let Some(file) = json {
        report.write_json(&mut BufWriter::new(file))?;
    }
    if let Some(mut file) = plot {
        file.write_all(draw(report).as_bytes())?;
    }
    Ok(())
}

impl LoadArgs {
    fn plan(&self) -> Plan {
        Plan {
            scenario: self.scenario,
            concurrency: self.concurrency.into(),
            connections: self.connections.into(),
            rate: self.rate,
            warmup: self.warmup,
            duration: self.duration,
            books: self.books,
            zipf: self.zipf,
            order_keys: !self.without_keys,
            stock: self.stock,
            call_limit: self.timeout,
            settle: self.settle,
        }
    }

    fn addresses(&self, config: &Config) -> Addresses {
        let at = |given: &Option<String>, listen: SocketAddr| {
            given.clone().unwrap_or_else(|| match &self.host {
                Some(host) => format!("{host}:{}", listen.port()),
                None => listen.to_string(),
            })
        };
        Addresses {
            catalog: at(&self.catalog, config.catalog.listen),
            inventory: at(&self.inventory, config.inventory.listen),
            order: at(&self.order, config.order.listen),
            payment: at(&self.payment, config.payment.listen),
        }
    }

    fn watching(&self, config: &Config) -> Watching {
        let page = config.telemetry.metrics;
        let host = self
            .host
            .clone()
            .unwrap_or_else(|| SocketAddr::new(page.ip(), 0).ip().to_string());
        let ports = METRICS_OFFSETS
            .iter()
            .filter_map(|o| page.port().checked_add(*o));
        Watching {
            processes: self.pids.clone(),
            pages: self.metrics.clone(),
            usual_pages: ports.map(|port| format!("{host}:{port}")).collect(),
        }
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    // Before the run, and not after it.
    File::create(path).with_context(|| format!("{}", path.display()))
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new(STANDARD_OUTPUT)
}

fn parse_run(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    if time > DURATION_MAX {
        return Err("must be a day at the most".to_owned());
    }
    Ok(time)
}

fn parse_exponent(text: &str) -> Result<f64, String> {
    let exponent: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if (0.0..=10.0).contains(&exponent) {
        Ok(exponent)
    } else {
        Err("must be between 0 and 10".to_owned())
    }
}
