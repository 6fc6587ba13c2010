//! What to run, as the command line says it, and what a scenario makes of it.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use platform::config::human_duration;

use super::scenario::Scenario;
use super::shelf::BOOKS_MAX;

/// The longest run.
const DURATION_MAX: Duration = Duration::from_hours(24);
const BOOKS: u32 = 1_000;
const ZIPF: f64 = 0.99;
const STOCK: i32 = 10_000;
const SETTLE: Duration = Duration::from_secs(35);

/// What to run. Options that not every scenario has a use for are absent where they were not given.
#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    /// What to do, again and again
    pub(crate) scenario: Scenario,

    /// Operations at the same time (open loop: at the most)
    #[arg(long, value_name = "BUYERS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) concurrency: u16,

    /// Connections to each service, shared by the buyers
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) connections: u16,

    /// Open loop: so many operations fall due each second, whether the last were answered or not
    #[arg(long, value_name = "PER_SECOND")]
    pub(super) rate: Option<NonZeroU32>,

    /// How long is measured
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_run)]
    pub(super) duration: Duration,

    /// How long before that the load is on and counts for nothing
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_run)]
    pub(super) warmup: Duration,

    /// How many books there are to choose from [default: 1000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(10..=i64::from(BOOKS_MAX)))]
    pub(super) books: Option<u32>,

    /// Exponent of the books' popularity (Zipf's law): 0 makes all alike [default: 0.99]
    #[arg(long, value_name = "EXPONENT", value_parser = parse_exponent)]
    pub(super) zipf: Option<f64>,

    /// Copies that the flash sale has [default: 10000]
    #[arg(long, value_name = "COPIES", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) stock: Option<i32>,

    /// Order without idempotency keys, as nobody should who may have to repeat: such orders are made more cheaply
    #[arg(long)]
    pub(super) without_keys: bool,

    /// How long what was cancelled or failed may take to be undone, before it counts as lost [default: 35s]
    #[arg(long, value_name = "TIME", value_parser = parse_run)]
    pub(super) settle: Option<Duration>,

    /// How long one call may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_run)]
    pub(super) timeout: Duration,
}

impl Plan {
    /// Refuses options that the scenario has no use for.
    ///
    /// # Errors
    /// The first of them.
    pub(crate) fn refuse_unused(&self) -> anyhow::Result<()> {
        let scenario = self.scenario;
        let options = [
            ("--books", self.books.is_some(), scenario.books().is_none()),
            (
                "--zipf",
                self.zipf.is_some(),
                scenario.chooses_by_popularity(),
            ),
            ("--stock", self.stock.is_some(), self.stock().is_some()),
            ("--without-keys", self.without_keys, scenario.makes_orders()),
            ("--settle", self.settle.is_some(), scenario.takes_stock()),
        ];
        for (option, is_given, is_used) in options {
            ensure!(
                is_used || !is_given,
                "{} has no use for {option}",
                scenario.name()
            );
        }
        Ok(())
    }

    /// How many books the run has.
    pub(super) fn books(&self) -> u32 {
        let asked_for = self.books.unwrap_or(BOOKS);
        self.scenario.books().unwrap_or(asked_for)
    }

    /// The exponent of the books' popularity; `None` where it plays no part.
    pub(super) fn zipf(&self) -> Option<f64> {
        let exponent = self.zipf.unwrap_or(ZIPF);
        self.scenario.chooses_by_popularity().then_some(exponent)
    }

    /// Copies that a flash sale has; `None` where there is none.
    pub(super) fn stock(&self) -> Option<i32> {
        let copies = self.stock.unwrap_or(STOCK);
        (self.scenario == Scenario::FlashSale).then_some(copies)
    }

    /// Whether orders are asked for under idempotency keys; `None` where none are made.
    pub(super) fn order_keys(&self) -> Option<bool> {
        self.scenario.makes_orders().then_some(!self.without_keys)
    }

    /// How long compensations may take before the verification calls them a fault.
    pub(super) fn settle(&self) -> Duration {
        self.settle.unwrap_or(SETTLE)
    }
}

fn parse_run(text: &str) -> Result<Duration, String> {
    let time = human_duration::parse(text)?;
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
