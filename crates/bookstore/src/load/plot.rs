//! The latency plot: an SVG of three panels, written by hand since it is a few lines and a plotting library
//! is many.

#![expect(
    clippy::float_arithmetic,
    reason = "positions on paper; nobody's money is in it"
)]

use std::fmt::Write;

use super::figures::{float, grouped, millis};
use super::report::Report;
use super::tally::Second;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 460.0;
const BLUE: &str = "#1f6feb";
const RED: &str = "#d1242f";
const GREY: &str = "#8c959f";
/// Places on the curve's axis that have a name: parts of a million, and the name.
const NAMED: [(u32, &str); 7] = [
    (0, "0"),
    (500_000, "50 %"),
    (900_000, "90 %"),
    (990_000, "99 %"),
    (999_000, "99.9 %"),
    (999_900, "99.99 %"),
    (999_990, "99.999 %"),
];

/// A rectangle with an axis each way, and what its corners mean.
struct Panel {
    title: &'static str,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
}

/// Draws a report.
pub(crate) fn draw(report: &Report) -> String {
    let mut svg = String::new();
    // Writing to a string cannot fail.
    draw_into(&mut svg, report).unwrap_or_default();
    svg
}

fn draw_into(svg: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\">"
    )?;
    writeln!(svg, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>")?;
    let title = format!(
        "{}: {:.1} accepted/s, p50 {}, p99 {}",
        report.scenario.name(),
        report.accepted_per_s,
        millis(report.latency.p50_us),
        millis(report.latency.p99_us)
    );
    writeln!(
        svg,
        "<text x=\"60\" y=\"24\" font-size=\"15\">{title}</text>"
    )?;
    draw_curve(svg, report)?;
    draw_latency_over_time(svg, report)?;
    draw_throughput(svg, report)?;
    writeln!(svg, "</svg>")
}

/// Latency by percentile: each step to the right is a tenth of what is left.
fn draw_curve(svg: &mut String, report: &Report) -> std::fmt::Result {
    let count = report.latency.count;
    // What one operation in a hundred did is not known of fewer than a hundred.
    let is_known = |parts: u32| parts == 0 || nines(parts) <= logarithm(count) + 0.001;
    let points: Vec<_> = report
        .curve
        .iter()
        .filter(|point| is_known(point.parts_per_million))
        .map(|point| (nines(point.parts_per_million), logarithm(point.latency_us)))
        .collect();
    let right = points.last().map_or(1.0, |(x, _)| x.max(1.0));
    let panel = Panel {
        title: "latency by percentile",
        left: 60.0,
        top: 60.0,
        width: 400.0,
        height: 350.0,
        x: (0.0, right),
        y: decades(points.iter().map(|(_, y)| *y)),
    };
    panel.draw_frame(svg)?;
    panel.draw_decades(svg)?;
    for (parts, name) in NAMED {
        if nines(parts) <= right {
            panel.draw_x_mark(svg, nines(parts), name)?;
        }
    }
    panel.draw_line(svg, points.into_iter(), BLUE)
}

fn draw_latency_over_time(svg: &mut String, report: &Report) -> std::fmt::Result {
    let seconds = || report.seconds.iter().filter(|second| second.accepted > 0);
    let logs = seconds().flat_map(|s| [logarithm(s.p50_us), logarithm(s.p99_us)]);
    let panel = Panel {
        title: "latency over time: p50 (blue), p99 (red)",
        left: 540.0,
        top: 60.0,
        width: 380.0,
        height: 190.0,
        x: (0.0, end_of(report)),
        y: decades(logs),
    };
    panel.draw_frame(svg)?;
    panel.draw_decades(svg)?;
    let p50 = seconds().map(|s| (time_of(s), logarithm(s.p50_us)));
    panel.draw_line(svg, p50, BLUE)?;
    let p99 = seconds().map(|s| (time_of(s), logarithm(s.p99_us)));
    panel.draw_line(svg, p99, RED)
}

fn draw_throughput(svg: &mut String, report: &Report) -> std::fmt::Result {
    let seconds = || report.seconds.iter();
    let most = seconds().map(|s| s.accepted.max(s.refused)).max();
    let most = most.unwrap_or(0).max(1);
    let panel = Panel {
        title: "answered each second: accepted (blue), refused (grey)",
        left: 540.0,
        top: 300.0,
        width: 380.0,
        height: 110.0,
        x: (0.0, end_of(report)),
        y: (0.0, float(most)),
    };
    panel.draw_frame(svg)?;
    panel.draw_y_mark(svg, 0.0, "0")?;
    panel.draw_y_mark(svg, float(most), &grouped(most))?;
    panel.draw_x_mark(svg, 0.0, "0 s")?;
    let end = end_of(report);
    panel.draw_x_mark(svg, end, &format!("{end:.0} s"))?;
    let refused = seconds().map(|s| (time_of(s), float(s.refused)));
    panel.draw_line(svg, refused, GREY)?;
    let accepted = seconds().map(|s| (time_of(s), float(s.accepted)));
    panel.draw_line(svg, accepted, BLUE)
}

impl Panel {
    fn x_of(&self, x: f64) -> f64 {
        self.left + share(x, self.x) * self.width
    }

    fn y_of(&self, y: f64) -> f64 {
        self.top + (1.0 - share(y, self.y)) * self.height
    }

    fn draw_frame(&self, svg: &mut String) -> std::fmt::Result {
        let (x, y, width, height) = (self.left, self.top, self.width, self.height);
        let (title, title_y) = (self.title, self.top - 10.0);
        writeln!(svg, "<text x=\"{x}\" y=\"{title_y}\">{title}</text>")?;
        writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"{GREY}\"/>"
        )
    }

    /// A line and a name for each power of ten.
    fn draw_decades(&self, svg: &mut String) -> std::fmt::Result {
        let mut decade = self.y.0;
        let mut micros = 10_f64.powf(decade);
        while decade <= self.y.1 + 0.001 {
            let name = if micros < 1_000.0 {
                format!("{micros:.0} µs")
            } else if micros < 1_000_000.0 {
                format!("{:.0} ms", micros / 1_000.0)
            } else {
                format!("{:.0} s", micros / 1_000_000.0)
            };
            self.draw_y_mark(svg, decade, &name)?;
            decade += 1.0;
            micros *= 10.0;
        }
        Ok(())
    }

    fn draw_y_mark(&self, svg: &mut String, y: f64, name: &str) -> std::fmt::Result {
        let (y, left, right) = (self.y_of(y), self.left, self.left + self.width);
        let (text_x, text_y) = (left - 5.0, y + 4.0);
        writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#d0d7de\"/>\
             <text x=\"{text_x}\" y=\"{text_y:.1}\" text-anchor=\"end\">{name}</text>"
        )
    }

    fn draw_x_mark(&self, svg: &mut String, x: f64, name: &str) -> std::fmt::Result {
        let (x, bottom) = (self.x_of(x), self.top + self.height);
        let (tick, text_y) = (bottom + 4.0, bottom + 17.0);
        writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{tick}\" stroke=\"{GREY}\"/>\
             <text x=\"{x:.1}\" y=\"{text_y}\" text-anchor=\"middle\">{name}</text>"
        )
    }

    fn draw_line(
        &self,
        svg: &mut String,
        points: impl Iterator<Item = (f64, f64)>,
        colour: &str,
    ) -> std::fmt::Result {
        write!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\""
        )?;
        for (x, y) in points {
            write!(svg, "{:.1},{:.1} ", self.x_of(x), self.y_of(y))?;
        }
        writeln!(svg, "\"/>")
    }
}

/// How many nines a percentile has: 0 at 0, 1 at 90 %, 2 at 99 %.
fn nines(parts_per_million: u32) -> f64 {
    let rest = 1_000_000_u32.saturating_sub(parts_per_million).max(1);
    6.0 - f64::from(rest).log10()
}

/// The powers of ten around the values.
fn decades(logarithms: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in logarithms {
        low = low.min(value.floor());
        high = high.max(value.ceil());
    }
    if low > high {
        return (2.0, 3.0);
    }
    (low, high.max(low + 1.0))
}

fn share(value: f64, (low, high): (f64, f64)) -> f64 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

fn end_of(report: &Report) -> f64 {
    report.seconds.last().map_or(1.0, time_of)
}

fn time_of(second: &Second) -> f64 {
    float(second.end_ms) / 1_000.0
}

fn logarithm(count: u64) -> f64 {
    float(count.max(1)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_stand_by_their_nines() {
        let close = |x: f64, to: f64| (x - to).abs() < 0.000_1;
        assert!(close(nines(0), 0.0) && close(nines(900_000), 1.0) && close(nines(999_000), 3.0));
        assert!(nines(1_000_000).is_finite());
    }

    #[test]
    fn an_axis_has_room_for_all_values_and_never_no_height() {
        assert_eq!(decades([2.5, 3.1].into_iter()), (2.0, 4.0));
        assert_eq!(decades([3.0].into_iter()), (3.0, 4.0));
        assert_eq!(decades(std::iter::empty()), (2.0, 3.0));
    }
}
