//! `bookstore doctor`: the configuration and everything it names, line by line.

mod service;

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use owo_colors::{OwoColorize, Stream};
use platform::config::{CacheUrl, QueueUrl};
use platform::db::{Database, DbError, SchemaState};
use platform::discovery::{ConsulConfig, ConsulRegistry, Discovery};
use platform::redis::RedisUrl;

use crate::CANNOT_START;
use crate::config::Config;
use crate::service::Service;
use service::{examine_metrics, examine_service, examine_upstream};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_long_help = EXPLANATION)]
pub(crate) struct DoctorArgs {}

const EXPLANATION: &str = "\
A line for each thing: `ok` it is there and well; `-` it is not there yet, which is no mistake; `BAD` it would
make a start fail, and why.

Exit codes: 0 nothing is bad; 2 something is, or the configuration itself is wrong.";

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

/// Examines databases, Redis, services and ports; exit code 2, as of a start, where one of them is bad.
pub(crate) async fn run(_args: DoctorArgs, config: Config) -> anyhow::Result<ExitCode> {
    // A configuration with a mistake has stopped the program before it came here.
    let mut findings = vec![finding(
        "configuration",
        Verdict::Good,
        "read, every key known",
    )];
    for service in Service::ALL {
        findings.push(examine_database(service, &config).await);
    }
    if let CacheUrl::Redis(url) = &config.catalog.cache {
        findings.push(examine_redis("catalog.cache", url, Kept::AsLongAsThereIsRoom).await);
    }
    if let QueueUrl::Redis(url) = &config.order.delay_queue {
        findings.push(examine_redis("order.delay_queue", url, Kept::UntilDone).await);
    }
    for service in Service::ALL {
        let key = format!("{}.listen", service.name());
        findings.push(examine_service(&key, service.listen(&config)).await);
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
    findings.extend(examine_metrics(config.telemetry.metrics, false).await);
    for service in Service::ALL {
        findings.extend(examine_metrics(service.metrics(&config)?, true).await);
    }
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

async fn examine_database(service: Service, config: &Config) -> Finding {
    let key = &format!("{}.database", service.name());
    let url = service.database(config);
    let found = match Database::inspect(url, service.migrations()).await {
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
        SchemaState::Behind { applied, steps } => {
            let missing = if applied == steps {
                ", but the row of commit_barrier is missing"
            } else {
                ""
            };
            finding(
                key,
                Verdict::Idle,
                format!(
                    "{place}: schema {applied} of {steps}{missing}; `bookstore migrate` or a start brings it up"
                ),
            )
        }
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
