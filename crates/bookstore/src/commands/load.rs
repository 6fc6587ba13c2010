//! `bookstore load SCENARIO`: load on a running system, measured and verified.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::signal::{Signals, Words};
use crate::clients::{Addresses, connect_to};
use crate::config::Config;
use crate::health::expect_well;
use crate::load::{Live, Plan, Report, Watched, Watching, draw, run as run_load};
use crate::service::Service;
use crate::tell;

/// Where a result goes that is to be printed.
const STANDARD_OUTPUT: &str = "-";

const WORDS: Words = Words {
    ending: "ending early: no further operation is begun, and what was done is verified",
    broken_off: "stopped in the midst of the run: nothing was verified, and its books stay in the shop",
    say: tell,
};

/// Arguments of `load`.
#[derive(Debug, Args)]
#[command(after_long_help = EXPLANATION)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    plan: Plan,

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

    /// Host of all services [default: where the configuration has them listen]
    #[arg(long)]
    host: Option<String>,

    /// Where the catalog is; likewise the others
    #[arg(long, value_name = "HOST:PORT")]
    catalog: Option<String>,
    /// Where the inventory is
    #[arg(long, value_name = "HOST:PORT", hide_short_help = true)]
    inventory: Option<String>,
    /// Where the order service is
    #[arg(long, value_name = "HOST:PORT", hide_short_help = true)]
    order: Option<String>,
    /// Where the payment service is
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
    args.plan.refuse_unused()?;
    let address = |service| args.address_of(service, &config);
    let addresses = Addresses {
        catalog: address(Service::Catalog),
        inventory: address(Service::Inventory),
        order: address(Service::Order),
        payment: address(Service::Payment),
    };
    let connections: Result<Vec<_>, _> = (0..args.plan.connections)
        .map(|_| connect_to(&addresses))
        .collect();
    let connections = connections?;
    let needed = args.plan.scenario.services().iter();
    let needed: Vec<_> = needed.map(|s| (s.name(), address(*s))).collect();
    expect_well(&needed).await?;
    let json = args.json.as_deref().filter(|path| !is_stdout(path));
    let json = json.map(create).transpose()?;
    let plot = args.plot.as_deref().map(create).transpose()?;
    let plan = args.plan.clone();
    let watching = args.watching(&config);
    let mut live = Live::new(args.json.as_deref().is_some_and(is_stdout))?;
    let stop = CancellationToken::new();
    let mut ended = None;
    let work = async {
        ended = Some(run_load(plan, &connections, watching, &mut live, &stop).await);
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
    /// Where `service` is.
    fn address_of(&self, service: Service, config: &Config) -> String {
        let given = match service {
            Service::Catalog => &self.catalog,
            Service::Inventory => &self.inventory,
            Service::Order => &self.order,
            Service::Payment => &self.payment,
        };
        let given = given.clone();
        given.unwrap_or_else(|| self.on_host(service.listen(config)))
    }

    /// An address of the configuration, on the host of all services where one is given.
    fn on_host(&self, configured: SocketAddr) -> String {
        let port = configured.port();
        match self.host.as_deref().map(|host| (host, host.parse())) {
            Some((_, Ok(ip))) => SocketAddr::new(ip, port).to_string(),
            Some((name, Err(_))) => format!("{name}:{port}"),
            None => configured.to_string(),
        }
    }

    fn watching(&self, config: &Config) -> Watching {
        let own = Service::ALL.map(|service| service.metrics(config));
        let pages = own.into_iter().flatten().chain([config.telemetry.metrics]);
        Watching {
            processes: self.pids.clone(),
            pages: self.metrics.clone(),
            usual_pages: pages.map(|page| self.on_host(page)).collect(),
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

#[cfg(test)]
mod tests {
    //! Proves what the command line means: to whom the load goes, and which options are refused.

    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        load: LoadArgs,
    }

    fn load(arguments: &str) -> LoadArgs {
        let words = ["load"].into_iter().chain(arguments.split(' '));
        Line::try_parse_from(words).unwrap().load
    }

    #[test]
    fn a_host_is_a_name_or_an_address_of_either_kind() {
        let config = Config::read(None, [], "data".as_ref()).unwrap();
        for (arguments, order, page) in [
            ("search", "127.0.0.1:9005", "127.0.0.1:9100"),
            ("search --host shop", "shop:9005", "shop:9100"),
            ("search --host 10.0.0.1", "10.0.0.1:9005", "10.0.0.1:9100"),
            ("search --host ::1", "[::1]:9005", "[::1]:9100"),
            ("search --host [::1]", "[::1]:9005", "[::1]:9100"),
            ("search --host ::1 --order a:1", "a:1", "[::1]:9100"),
        ] {
            let args = load(arguments);
            assert_eq!(args.address_of(Service::Order, &config), order);
            let pages = args.watching(&config).usual_pages;
            assert!(pages.iter().any(|p| p == page), "{pages:?}");
        }
    }

    #[test]
    fn the_metrics_page_of_every_service_is_looked_for() {
        let given = ("BOOKSTORE_TELEMETRY__METRICS", "[::]:8000");
        let given = (given.0.to_owned(), given.1.to_owned());
        let config = Config::read(None, [given], "data".as_ref()).unwrap();
        let mut pages = load("search").watching(&config).usual_pages;
        pages.sort_unstable();
        let ports = [8000, 8003, 8004, 8005, 8006];
        assert_eq!(pages, ports.map(|port| format!("[::]:{port}")));
    }

    #[test]
    fn an_option_that_the_scenario_has_no_use_for_is_refused() {
        let refused = |arguments: &str| {
            let error = load(arguments).plan.refuse_unused().err()?;
            Some(error.to_string())
        };
        for (scenario, option) in [
            ("deduct-hot", "--zipf 1"),
            ("deduct-hot", "--books 20"),
            ("deduct-hot", "--without-keys"),
            ("deduct-uniform", "--zipf 1"),
            ("deduct-uniform", "--stock 7"),
            ("flash-sale", "--books 20"),
            ("flash-sale", "--zipf 1"),
            ("get-book", "--without-keys"),
            ("get-book", "--settle 1s"),
            ("create-order", "--stock 7"),
        ] {
            let (name, _) = option.split_once(' ').unwrap_or((option, ""));
            let told = refused(&format!("{scenario} {option}"));
            let line = format!("{scenario} has no use for {name}");
            assert_eq!(told.as_deref(), Some(line.as_str()));
        }
        for used in [
            "deduct-hot --settle 1s",
            "deduct-uniform --books 20",
            "flash-sale --stock 7 --without-keys",
            "get-book --books 20 --zipf 1",
            "mixed-day --books 20 --zipf 1 --without-keys --settle 1s",
        ] {
            assert_eq!(refused(used), None, "{used}");
        }
    }

    #[test]
    fn every_argument_says_what_it_is() {
        for argument in Line::command().get_arguments() {
            assert!(argument.get_help().is_some(), "{}", argument.get_id());
        }
    }
}
