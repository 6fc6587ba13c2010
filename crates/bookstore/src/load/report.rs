//! The result, for people and for programs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::drive::Measured;
use super::figures::{
    Percentiles, grouped, latencies, latency_at, millis, per_one, per_second, seconds,
    seconds_per_thousand,
};
use super::meter::Usage;
use super::plan::Plan;
use super::scenario::{Operation, Scenario};
use super::tally::{Row, Second};
use super::verify::Verdict;

/// Quantiles of the curve that the plot shows, in parts of a million.
const CURVE: [u32; 16] = [
    0, 250_000, 500_000, 750_000, 900_000, 950_000, 975_000, 990_000, 995_000, 997_500, 999_000,
    999_500, 999_750, 999_900, 999_990, 999_999,
];

/// Everything that is told of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) scenario: Scenario,
    concurrency: u16,
    connections: u16,
    /// Operations that were due each second; absent in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    books: u32,
    /// The exponent of the books' popularity; absent where it plays no part.
    #[serde(skip_serializing_if = "Option::is_none")]
    zipf: Option<f64>,
    /// Absent where no orders are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_keys: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<i32>,
    warmup_s: f64,
    measured_s: f64,
    /// Whether it was ended before its time.
    interrupted: bool,
    pub(super) accepted: u64,
    pub(super) accepted_per_s: f64,
    pub(super) refused: u64,
    refused_per_s: f64,
    failed: u64,
    /// Due in the window, and taken up by nobody: each is in `latency` with the time it had waited.
    not_taken_up: u64,
    wrong_answers: u64,
    first_wrong_answers: Vec<&'static str>,
    /// Of accepted operations, in microseconds.
    pub(super) latency: Percentiles,
    latency_refused: Percentiles,
    operations: BTreeMap<Operation, OperationReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sale: Option<Sale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    verification: Verification,
    pub(super) curve: Vec<Point>,
    pub(super) seconds: Vec<Second>,
}

#[derive(Debug, Serialize)]
struct OperationReport {
    accepted: u64,
    accepted_per_s: f64,
    /// By business code.
    refused: BTreeMap<i32, u64>,
    /// By what came in place of an answer.
    failed: BTreeMap<String, u64>,
    latency: Percentiles,
    latency_refused: Percentiles,
}

/// A flash sale, told by when it was over.
#[derive(Debug, Serialize)]
struct Sale {
    sold_out_after_s: f64,
    accepted_per_s_until_then: f64,
    refused_per_s_from_then: f64,
}

#[derive(Debug, Serialize)]
struct Cost {
    /// By process.
    cpu: BTreeMap<String, CpuCost>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<DatabaseCost>,
}

#[derive(Debug, Serialize)]
struct CpuCost {
    used_s: f64,
    /// For a thousand operations that were answered, with a yes or a no.
    per_1000_answered_s: f64,
}

#[derive(Debug, Serialize)]
struct DatabaseCost {
    units_per_answered: f64,
    round_trips_per_answered: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verification {
    /// Nothing that could be counted was changed.
    NotNeeded,
    Done(Verdict),
    /// The system could not be read any more.
    Impossible(String),
}

/// A point of the percentile curve.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Point {
    /// Of a million operations so many were as fast or faster.
    pub(super) parts_per_million: u32,
    pub(super) latency_us: u64,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        measured: Measured,
        verified: Option<anyhow::Result<Verdict>>,
        interrupted: bool,
    ) -> anyhow::Result<Self> {
        let Measured { tally, usage } = measured;
        let elapsed = tally.window.length();
        let mut all = tally.left_over.clone();
        let mut all_refused = latencies()?;
        for row in tally.rows.values() {
            all.add(&row.latency)?;
            all_refused.add(&row.latency_refused)?;
        }
        let sum = |count: fn(&Row) -> u64| tally.rows.values().map(count).sum::<u64>();
        let accepted = sum(|row| row.accepted);
        let refused = sum(|row| row.refused.values().sum());
        let failed = sum(|row| row.failed.values().sum());
        Ok(Self {
            scenario: plan.scenario,
            concurrency: plan.concurrency,
            connections: plan.connections,
            rate: plan.rate.map(std::num::NonZeroU32::get),
            books: plan.books(),
            zipf: plan.zipf(),
            order_keys: plan.order_keys(),
            stock: plan.stock(),
            warmup_s: seconds(plan.warmup),
            measured_s: seconds(elapsed),
            interrupted,
            accepted,
            accepted_per_s: per_second(accepted, elapsed),
            refused,
            refused_per_s: per_second(refused, elapsed),
            failed,
            not_taken_up: tally.left_over.len(),
            wrong_answers: tally.wrong,
            first_wrong_answers: tally.wrong_told,
            latency: Percentiles::of(&all),
            latency_refused: Percentiles::of(&all_refused),
            operations: operations(&tally.rows, elapsed),
            sale: tally
                .sold_out
                .filter(|_| plan.scenario == Scenario::FlashSale)
                .map(|end| Sale::new(end, elapsed, accepted, refused)),
            cost: usage.map(|usage| Cost::new(&usage, accepted + refused)),
            verification: match verified {
                None => Verification::NotNeeded,
                Some(Ok(verdict)) => Verification::Done(verdict),
                Some(Err(error)) => Verification::Impossible(format!("{error:#}")),
            },
            curve: curve(&all),
            seconds: tally.seconds,
        })
    }

    /// Whether every answer was true and everything adds up, and anything was done at all.
    pub(crate) fn is_good(&self) -> bool {
        let adds_up = match &self.verification {
            Verification::NotNeeded => true,
            Verification::Done(verdict) => verdict.faults == 0,
            Verification::Impossible(_) => false,
        };
        adds_up && self.wrong_answers == 0 && (self.accepted > 0 || self.interrupted)
    }

    /// One JSON object.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> anyhow::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }

    /// A page for people.
    pub(crate) fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_head(out)?;
        self.write_counts(out)?;
        if self.operations.len() > 1 {
            self.write_operations(out)?;
        }
        if let Some(sale) = &self.sale {
            writeln!(
                out,
                "sold out      after {:.3} s: {:.1} a second until then, {:.1} refusals a second after",
                sale.sold_out_after_s, sale.accepted_per_s_until_then, sale.refused_per_s_from_then
            )?;
        }
        if let Some(cost) = &self.cost {
            cost.write_text(out)?;
        }
        self.write_verification(out)?;
        out.flush()
    }

    fn write_head(&self, out: &mut impl Write) -> io::Result<()> {
        let loop_kind = self.rate.map_or_else(
            || format!("{} at once", self.concurrency),
            |rate| {
                format!(
                    "{rate} due each second, {} at once at the most",
                    self.concurrency
                )
            },
        );
        let interrupted = if self.interrupted {
            " (interrupted)"
        } else {
            ""
        };
        let warm_up = if self.measured_s > 0.0 {
            format!(" after {:.1} s of warm-up", self.warmup_s)
        } else {
            // It may have been over before its warm-up was.
            String::new()
        };
        writeln!(
            out,
            "{}: {loop_kind}, {} connections; {:.1} s{interrupted}{warm_up}",
            self.scenario.name(),
            self.connections,
            self.measured_s,
        )
    }

    fn write_counts(&self, out: &mut impl Write) -> io::Result<()> {
        let rows = [
            ("accepted", self.accepted, self.accepted_per_s, self.latency),
            (
                "refused",
                self.refused,
                self.refused_per_s,
                self.latency_refused,
            ),
        ];
        for (name, count, per_s, latency) in rows {
            if name == "accepted" || count > 0 {
                let (count, told) = (grouped(count), told(latency));
                writeln!(out, "{name:<12} {count:>10}  {per_s:>9.1}/s  {told}")?;
            }
        }
        let mut refused: BTreeMap<i32, u64> = BTreeMap::new();
        let mut failed: BTreeMap<&str, u64> = BTreeMap::new();
        for operation in self.operations.values() {
            for (code, count) in &operation.refused {
                *refused.entry(*code).or_default() += count;
            }
            for (what, count) in &operation.failed {
                *failed.entry(what).or_default() += count;
            }
        }
        for (code, count) in refused {
            writeln!(out, "  code {code:<5} {:>10}", grouped(count))?;
        }
        if self.failed > 0 {
            writeln!(out, "{:<12} {:>10}", "failed", grouped(self.failed))?;
        }
        for (what, count) in failed {
            writeln!(out, "  {what}: {}", grouped(count))?;
        }
        if self.not_taken_up > 0 {
            writeln!(
                out,
                "{:<12} {:>10}  were due, and all buyers were waiting; the latencies above have them",
                "not taken up",
                grouped(self.not_taken_up)
            )?;
        }
        Ok(())
    }

    fn write_operations(&self, out: &mut impl Write) -> io::Result<()> {
        for (operation, row) in &self.operations {
            let name = operation.name();
            let (count, told) = (grouped(row.accepted), told(row.latency));
            let per_s = row.accepted_per_s;
            writeln!(out, "  {name:<16} {count:>8}  {per_s:>8.1}/s  {told}")?;
        }
        Ok(())
    }

    fn write_verification(&self, out: &mut impl Write) -> io::Result<()> {
        for what in &self.first_wrong_answers {
            writeln!(out, "WRONG         {what}")?;
        }
        match &self.verification {
            Verification::NotNeeded if self.operations.is_empty() => {
                writeln!(
                    out,
                    "verified      nothing: it was over before its first operation"
                )
            }
            Verification::NotNeeded if self.wrong_answers == 0 => {
                writeln!(out, "verified      every answer was the one asked for")
            }
            Verification::NotNeeded => {
                writeln!(out, "WRONG         {} answers", grouped(self.wrong_answers))
            }
            Verification::Impossible(why) => writeln!(out, "NOT VERIFIED  {why}"),
            Verification::Done(verdict) => write_verdict(verdict, out),
        }
    }
}

fn write_verdict(verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    let word = if verdict.faults == 0 {
        "verified"
    } else {
        "WRONG"
    };
    writeln!(
        out,
        "{word:<13} {} copies taken of {} books, {} acknowledged (and {} without an answer)",
        verdict.taken, verdict.books, verdict.acknowledged, verdict.unknown
    )?;
    if verdict.orders_acknowledged + verdict.orders_found > 0 {
        writeln!(
            out,
            "{:<13} {} orders found, {} acknowledged (and {} without an answer), {} read back",
            "",
            verdict.orders_found,
            verdict.orders_acknowledged,
            verdict.orders_unknown,
            verdict.orders_read_back
        )?;
    }
    for fault in &verdict.first_faults {
        writeln!(out, "  {fault}")?;
    }
    let told = u64::try_from(verdict.first_faults.len()).unwrap_or(u64::MAX);
    if verdict.faults > told {
        writeln!(out, "  and {} more", verdict.faults - told)?;
    }
    Ok(())
}

impl Sale {
    fn new(end: Duration, elapsed: Duration, accepted: u64, refused: u64) -> Self {
        Self {
            sold_out_after_s: seconds(end),
            accepted_per_s_until_then: per_second(accepted, end),
            refused_per_s_from_then: per_second(refused, elapsed.saturating_sub(end)),
        }
    }
}

impl Cost {
    fn new(usage: &Usage, answered: u64) -> Self {
        let cpu = usage.cpu.iter().map(|(name, used)| {
            let cost = CpuCost {
                used_s: seconds(*used),
                per_1000_answered_s: seconds_per_thousand(*used, answered),
            };
            (name.clone(), cost)
        });
        Self {
            cpu: cpu.collect(),
            database: usage.database.map(|database| DatabaseCost {
                units_per_answered: per_one(database.units, answered),
                round_trips_per_answered: per_one(database.round_trips, answered),
            }),
        }
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for (name, cpu) in &self.cpu {
            writeln!(
                out,
                "CPU           {name}: {:.2} s, {:.4} s for 1,000 answered",
                cpu.used_s, cpu.per_1000_answered_s
            )?;
        }
        if let Some(database) = &self.database {
            writeln!(
                out,
                "databases     {:.3} units of work and {:.3} round trips for each answered",
                database.units_per_answered, database.round_trips_per_answered
            )?;
        }
        Ok(())
    }
}

fn operations(
    rows: &BTreeMap<Operation, Row>,
    elapsed: Duration,
) -> BTreeMap<Operation, OperationReport> {
    let reports = rows.iter().map(|(operation, row)| {
        let report = OperationReport {
            accepted: row.accepted,
            accepted_per_s: per_second(row.accepted, elapsed),
            refused: row.refused.clone(),
            failed: row.failed.clone(),
            latency: Percentiles::of(&row.latency),
            latency_refused: Percentiles::of(&row.latency_refused),
        };
        (*operation, report)
    });
    reports.collect()
}

fn curve(latencies: &Histogram<u64>) -> Vec<Point> {
    let points = CURVE.into_iter().map(|parts_per_million| Point {
        parts_per_million,
        latency_us: latency_at(latencies, parts_per_million),
    });
    points.collect()
}

fn told(latency: Percentiles) -> String {
    if latency.count == 0 {
        return String::new();
    }
    format!(
        "p50 {}  p90 {}  p99 {}  p99.9 {}  max {}",
        millis(latency.p50_us),
        millis(latency.p90_us),
        millis(latency.p99_us),
        millis(latency.p999_us),
        millis(latency.max_us)
    )
}
