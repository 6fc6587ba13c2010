//! Ratios and units of figures for people and programs.

#![expect(
    clippy::float_arithmetic,
    reason = "statistics; nobody's money is in it"
)]

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is told apart from longer ones.
const LATENCY_MAX: Duration = Duration::from_mins(10);
/// Digits that a histogram keeps of a latency.
const DIGITS: u8 = 3;

/// An empty histogram of latencies, in microseconds.
pub(super) fn latencies() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, micros(LATENCY_MAX), DIGITS)?)
}

/// A latency in microseconds, 1 and more.
pub(super) fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// The percentiles of latencies, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Percentiles {
    pub(super) count: u64,
    pub(super) p50_us: u64,
    pub(super) p90_us: u64,
    pub(super) p99_us: u64,
    pub(super) p999_us: u64,
    pub(super) max_us: u64,
}

impl Percentiles {
    pub(super) fn of(latencies: &Histogram<u64>) -> Self {
        Self {
            count: latencies.len(),
            p50_us: latencies.value_at_quantile(0.5),
            p90_us: latencies.value_at_quantile(0.9),
            p99_us: latencies.value_at_quantile(0.99),
            p999_us: latencies.value_at_quantile(0.999),
            max_us: latencies.max(),
        }
    }
}

/// What so many of a million latencies do not exceed, in microseconds.
pub(super) fn latency_at(latencies: &Histogram<u64>, parts_per_million: u32) -> u64 {
    latencies.value_at_quantile(f64::from(parts_per_million) / 1_000_000.0)
}

/// How many a second, to a tenth.
pub(super) fn per_second(count: u64, elapsed: Duration) -> f64 {
    ratio(float(count), elapsed.as_secs_f64(), 10.0)
}

/// Seconds of `spent` for a thousand of `count`, to a tenth of a millisecond.
pub(super) fn seconds_per_thousand(spent: Duration, count: u64) -> f64 {
    ratio(spent.as_secs_f64() * 1_000.0, float(count), 10_000.0)
}

/// `count` for each of `of`, to a thousandth.
pub(super) fn per_one(count: u64, of: u64) -> f64 {
    ratio(float(count), float(of), 1_000.0)
}

/// Seconds, to a thousandth.
pub(super) fn seconds(time: Duration) -> f64 {
    ratio(time.as_secs_f64(), 1.0, 1_000.0)
}

/// Microseconds as milliseconds for people: `3.21 ms`.
pub(super) fn millis(micros: u64) -> String {
    format!(
        "{:.2} ms",
        Duration::from_micros(micros).as_secs_f64() * 1_000.0
    )
}

/// A count for people: `1,234,567`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn ratio(of: f64, to: f64, steps: f64) -> f64 {
    if to > 0.0 {
        (of / to * steps).round() / steps
    } else {
        0.0
    }
}

/// A count among fractions: itself up to 2^53, the nearest that there is above.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "no count comes near 2^53"
)]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_and_nothing_is_divided_by_zero() {
        assert_eq!(per_second(100, Duration::from_secs(3)).to_string(), "33.3");
        assert_eq!(per_second(100, Duration::ZERO).to_string(), "0");
        let many = per_second(9_000_000_000, Duration::from_secs(2));
        assert_eq!(many.to_string(), "4500000000");
        let spent = seconds_per_thousand(Duration::from_millis(250), 2_000);
        assert_eq!(spent.to_string(), "0.125");
        assert_eq!(per_one(7, 3).to_string(), "2.333");
        assert_eq!(millis(1_234), "1.23 ms");
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
