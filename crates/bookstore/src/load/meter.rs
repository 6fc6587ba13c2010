//! What a run costs the servers: CPU time, units of work and round trips to their databases.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use platform::process::{Process, cpu_time};
use platform::telemetry::fetch_metrics;

const CPU_SECONDS: &str = "bookstore_process_cpu_seconds";
const UNITS: &str = "bookstore_db_units_total";
const ROUND_TRIPS: &str = "bookstore_db_round_trips_total";
/// What the load itself is called in the report.
const OURSELVES: &str = "load";

/// A process of this machine to watch: `order=1234`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    name: String,
    id: u32,
}

impl FromStr for Watched {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, id) = text.split_once('=').ok_or("must be NAME=PID")?;
        let id = id.parse().map_err(|_| format!("{id} is no process id"))?;
        if cpu_time(Process::Id(id)).is_none() {
            return Err(format!(
                "there is no process {id} whose CPU time can be read"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            id,
        })
    }
}

/// The metrics pages and processes to watch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watching {
    pub(crate) processes: Vec<Watched>,
    /// Pages that were asked for: each must be there.
    pub(crate) pages: Vec<String>,
    /// Pages that are read where they are there and none was asked for.
    pub(crate) usual_pages: Vec<String>,
}

/// Reads what was used so far.
pub(super) struct Meter {
    processes: Vec<Watched>,
    pages: Vec<String>,
}

/// What was used by one moment, or between two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Usage {
    /// By process: its name, or its metrics page.
    pub(super) cpu: BTreeMap<String, Duration>,
    /// `None` where no page tells.
    pub(super) database: Option<DatabaseUsage>,
}

/// What the services asked of their databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct DatabaseUsage {
    pub(super) units: u64,
    pub(super) round_trips: u64,
}

impl Meter {
    /// Watches what is to be watched and is there.
    ///
    /// # Errors
    /// A page that was asked for and cannot be read.
    pub(super) async fn new(watching: Watching) -> anyhow::Result<Self> {
        let Watching {
            processes,
            mut pages,
            usual_pages,
        } = watching;
        for address in &pages {
            let page = fetch_metrics(address).await.map_err(anyhow::Error::msg);
            page.with_context(|| format!("--metrics {address}"))?;
        }
        if pages.is_empty() {
            for address in usual_pages {
                if fetch_metrics(&address).await.is_ok() {
                    pages.push(address);
                }
            }
        }
        Ok(Self { processes, pages })
    }

    /// What was used so far; what cannot be read now is left out.
    pub(super) async fn read(&self) -> Usage {
        let mut usage = Usage::default();
        let ourselves = (OURSELVES.to_owned(), cpu_time(Process::This));
        let watched = self.processes.iter().map(|process| {
            let used = cpu_time(Process::Id(process.id));
            (process.name.clone(), used)
        });
        for (name, used) in watched.chain([ourselves]) {
            usage.cpu.extend(used.map(|used| (name, used)));
        }
        for address in &self.pages {
            if let Ok(page) = fetch_metrics(address).await {
                usage.add_page(address, &page);
            }
        }
        usage
    }
}

impl Usage {
    fn add_page(&mut self, address: &str, page: &str) {
        let mut database = self.database.unwrap_or_default();
        for (name, value) in page.lines().filter_map(sample) {
            match name {
                CPU_SECONDS => {
                    let used = value.parse().ok().map(Duration::try_from_secs_f64);
                    self.cpu.extend(
                        used.and_then(Result::ok)
                            .map(|used| (address.to_owned(), used)),
                    );
                }
                UNITS => add(&mut database.units, value),
                ROUND_TRIPS => add(&mut database.round_trips, value),
                _ => {}
            }
        }
        self.database = Some(database);
    }

    /// What was used since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let cpu = self.cpu.iter().filter_map(|(name, used)| {
            let used = used.checked_sub(*before.cpu.get(name)?)?;
            Some((name.clone(), used))
        });
        let database = self.database.zip(before.database);
        Self {
            cpu: cpu.collect(),
            database: database.map(|(now, before)| DatabaseUsage {
                units: now.units.saturating_sub(before.units),
                round_trips: now.round_trips.saturating_sub(before.round_trips),
            }),
        }
    }
}

/// The name and the value of a line `name{labels} value`.
fn sample(line: &str) -> Option<(&str, &str)> {
    let (series, value) = line.rsplit_once(' ')?;
    let name = series.split('{').next()?;
    (!name.starts_with('#')).then_some((name, value))
}

fn add(sum: &mut u64, value: &str) {
    *sum = sum.saturating_add(value.parse().unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_added_up_over_its_labels() {
        let page = "# TYPE bookstore_db_units_total counter\n\
            bookstore_db_units_total{work=\"a b\"} 7\n\
            bookstore_db_units_total{work=\"c\"} 5\n\
            bookstore_db_round_trips_total{work=\"c\"} 40\n\n\
            # TYPE bookstore_process_cpu_seconds gauge\n\
            bookstore_process_cpu_seconds 1.25\n";
        let mut usage = Usage::default();
        usage.add_page("a:1", page);
        let before = usage.clone();
        assert_eq!(usage.cpu["a:1"], Duration::from_millis(1_250));
        usage.add_page("b:2", page);
        let (units, round_trips) = (24, 80);
        assert_eq!(usage.database, Some(DatabaseUsage { units, round_trips }));
        let since = usage.since(&before);
        let (units, round_trips) = (12, 40);
        assert_eq!(since.database, Some(DatabaseUsage { units, round_trips }));
        assert_eq!(
            since.cpu,
            BTreeMap::from([("a:1".to_owned(), Duration::ZERO)])
        );
    }

    #[test]
    fn a_process_to_watch_has_a_name_and_is_there() {
        let this = format!("me={}", std::process::id());
        assert!(this.parse::<Watched>().is_ok());
        for text in ["17", "me=", "me=you", "me=4294967295"] {
            assert!(text.parse::<Watched>().is_err(), "{text}");
        }
    }
}
