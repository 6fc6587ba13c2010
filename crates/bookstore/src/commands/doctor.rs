//! `bookstore doctor`: the configuration and everything it names, line by line.

mod service;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use owo_colors::{OwoColorize, Stream};
use platform::config::{CacheUrl, QueueUrl};
use platform::db::{Database, DatabaseUrl, DbError, Migration, SchemaState};
use platform::discovery::{ConsulConfig, ConsulRegistry, Discovery};
use platform::redis::RedisUrl;
use tokio::net::TcpListener;

use crate::CANNOT_START;
use crate::config::Config;
use service::{examine_service, examine_upstream};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {}

/// One line of the report.
struct Finding {
    subject: String,
    verdict: Verdict,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// As it should be.
    Good,
    /// Not there yet, and nothing wrong with that.
    Idle,
    /// Would stop the system from working.
    Bad,
}

/// How long a Redis has to keep what it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    AsLongAsThereIsRoom,
    UntilDone,
}

/// Examines databases, Redis, ports and services; exit code 2, as of a start, where one of them is bad.
pub(crate) async fn run(_args: DoctorArgs, config: Config) -> anyhow::Result<ExitCode> {
    // A configuration with a mistake has stopped the program before it came here.
    let mut findings = vec![finding(
        "configuration",
        Verdict::Good,
        "read, every key known",
    )];
    let databases = [
        (
            "catalog.database",
            &config.catalog.database,
            catalog::MIGRATIONS,
        ),
        (
            "inventory.database",
            &config.inventory.database,
            inventory::MIGRATIONS,
        ),
        ("order.database", &config.order.database, order::MIGRATIONS),
        (
            "payment.database",
            &config.payment.database,
            payment::MIGRATIONS,
        ),
    ];
    for (key, url, migrations) in databases {
        findings.push(examine_database(key, url, migrations).await);
    }
    if let CacheUrl::Redis(url) = &config.catalog.cache {
        findings.push(examine_redis("catalog.cache", url, Kept::AsLongAsThereIsRoom).await);
    }
    if let QueueUrl::Redis(url) = &config.order.delay_queue {
        findings.push(examine_redis("order.delay_queue", url, Kept::UntilDone).await);
    }
    let services = [
        ("catalog.listen", config.catalog.listen),
        ("inventory.listen", config.inventory.listen),
        ("order.listen", config.order.listen),
        ("payment.listen", config.payment.listen),
    ];
    for (key, address) in services {
        findings.push(examine_service(key, address).await);
    }
    let (order, consul) = (&config.order, &config.consul);
    let upstreams = [
        ("order.catalog", &order.catalog, config.catalog.listen),
        ("order.inventory", &order.inventory, config.inventory.listen),
        ("order.payment", &order.payment, config.payment.listen),
    ];
    for (key, url, listen) in upstreams {
        findings.extend(examine_upstream(key, url, listen, consul).await);
    }
    if config.discovery == Discovery::Consul {
        findings.push(examine_consul(&config.consul).await);
    }
    findings.push(examine_port("gateway.listen", config.gateway.listen).await);
    findings.push(examine_port("telemetry.metrics", config.telemetry.metrics).await);
    report(&findings)?;
    let bad = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Bad);
    Ok(if bad {
        ExitCode::from(CANNOT_START)
    } else {
        ExitCode::SUCCESS
    })
}

fn finding(subject: &str, verdict: Verdict, detail: impl Into<String>) -> Finding {
    Finding {
        subject: subject.to_owned(),
        verdict,
        detail: detail.into(),
    }
}

async fn examine_database(
    key: &str,
    url: &DatabaseUrl,
    migrations: &'static [Migration],
) -> Finding {
    let found = match Database::inspect(url, migrations).await {
        Ok(found) => found,
        // Here it goes without saying that the database is what is unavailable.
        Err(DbError::Unavailable(reason)) => {
            return finding(key, Verdict::Bad, format!("{url}: {reason}"));
        }
        Err(error) => return finding(key, Verdict::Bad, format!("{url}: {error}")),
    };
    let place = format!("{url} ({})", found.server);
    if !found.mistakes.is_empty() {
        let mistakes = found.mistakes.join("; ");
        return finding(key, Verdict::Bad, format!("{place}: {mistakes}"));
    }
    match found.schema {
        SchemaState::Current { steps } => {
            finding(key, Verdict::Good, format!("{place}: schema {steps}"))
        }
        SchemaState::Absent => finding(
            key,
            Verdict::Idle,
            format!("{place}: not there yet; the first start makes it"),
        ),
        SchemaState::Behind { applied, steps } => finding(
            key,
            Verdict::Idle,
            format!(
                "{place}: schema {applied} of {steps}; `bookstore migrate` or a start brings it up"
            ),
        ),
    }
}

async fn examine_redis(key: &str, url: &RedisUrl, kept: Kept) -> Finding {
    let found = match platform::redis::inspect(url).await {
        Ok(found) => found,
        Err(error) => return finding(key, Verdict::Bad, format!("{url}: {error}")),
    };
    let place = format!("{url} ({})", found.server);
    let mut mistakes = found.mistakes;
    if let (Kept::UntilDone, Some(policy)) = (kept, found.evicts) {
        mistakes.push(format!(
            "maxmemory-policy {policy} throws deadlines away: noeviction keeps them"
        ));
    }
    if mistakes.is_empty() {
        finding(key, Verdict::Good, place)
    } else {
        finding(
            key,
            Verdict::Bad,
            format!("{place}: {}", mistakes.join("; ")),
        )
    }
}

async fn examine_consul(consul: &ConsulConfig) -> Finding {
    let place = &consul.address;
    match ConsulRegistry::new(consul).read_leader().await {
        Ok(leader) => {
            let detail = format!("{place}: answers, its leader is {leader}");
            finding("consul.address", Verdict::Good, detail)
        }
        Err(error) => finding("consul.address", Verdict::Bad, error.to_string()),
    }
}

async fn examine_port(key: &str, address: SocketAddr) -> Finding {
    match TcpListener::bind(address).await {
        Ok(_) => finding(key, Verdict::Idle, format!("{address}: the port is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            finding(key, Verdict::Good, format!("{address}: in use"))
        }
        Err(error) => finding(key, Verdict::Bad, format!("{address}: {error}")),
    }
}

fn report(findings: &[Finding]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for Finding {
        subject,
        verdict,
        detail,
    } in findings
    {
        let mark = match verdict {
            Verdict::Good => "ok "
                .if_supports_color(Stream::Stdout, |m| m.green())
                .to_string(),
            Verdict::Idle => "-  "
                .if_supports_color(Stream::Stdout, |m| m.yellow())
                .to_string(),
            Verdict::Bad => "BAD"
                .if_supports_color(Stream::Stdout, |m| m.red())
                .to_string(),
        };
        writeln!(out, "{mark}  {subject:<20} {detail}")?;
    }
    out.flush()
}
