//! What the user is told: each refused row at once, the rest as counts in the end, everything in
//! the report file.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use indicatif::ProgressBar;

use super::identity::DERIVED_PRICE_RULE;
use super::load::Outcome;
use super::pipeline::Settled;
use super::rows::Rows;

/// Tells what becomes of the rows.
pub(crate) struct Report<W> {
    out: W,
    bar: ProgressBar,
    file: Option<csv::Writer<File>>,
    rows: u64,
    valid: u64,
    published: u64,
    present: u64,
    refused: u64,
    unanswered: u64,
    repairs: BTreeMap<&'static str, u64>,
    kept: BTreeMap<&'static str, u64>,
}

impl<W: Write> Report<W> {
    /// Writes results to `out`, moves `bar` along, and writes every finding to `file`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn new(out: W, bar: ProgressBar, file: Option<File>) -> anyhow::Result<Self> {
        let mut file = file.map(csv::Writer::from_writer);
        if let Some(file) = &mut file {
            file.write_record(["line", "finding", "detail"])?;
        }
        Ok(Self {
            out,
            bar,
            file,
            rows: 0,
            valid: 0,
            published: 0,
            present: 0,
            refused: 0,
            unanswered: 0,
            repairs: BTreeMap::new(),
            kept: BTreeMap::new(),
        })
    }

    /// Says what is taken from where, and what rows get that the file does not say.
    pub(crate) fn tell_sources<R: Read>(&mut self, rows: &Rows<R>) -> anyhow::Result<()> {
        let defaults = rows.defaults();
        for (thing, columns) in rows.sources() {
            let default = match thing {
                "price" => defaults.price.map_or_else(
                    || DERIVED_PRICE_RULE.to_owned(),
                    |fen| format!("{fen} yuan"),
                ),
                "stock" => defaults
                    .stock
                    .map_or_else(|| "no copies".to_owned(), |stock| format!("{stock} copies")),
                "ISBN" | "description" => "none".to_owned(),
                _ => "the row is refused".to_owned(),
            };
            let found = columns.iter().map(|name| format!("`{name}`, else "));
            writeln!(
                self.out,
                "  {thing:<12} {}{default}",
                found.collect::<String>()
            )?;
        }
        Ok(self.out.flush()?)
    }

    /// Counts a row, and tells at once where it was not loaded.
    pub(super) fn note(&mut self, row: &Settled) -> anyhow::Result<()> {
        self.rows += 1;
        for repair in &row.repairs {
            count(&mut self.repairs, repair.kind());
            self.write("repaired", row.line, repair)?;
        }
        match &row.outcome {
            Outcome::Valid => self.valid += 1,
            Outcome::Published(_) => self.published += 1,
            Outcome::Present(_) => self.present += 1,
            Outcome::Refused(refusal) => {
                self.refused += 1;
                self.say(row.line, "refused", refusal)?;
            }
            Outcome::Unanswered(reason) => {
                self.unanswered += 1;
                self.say(row.line, "unanswered", reason)?;
            }
        }
        if let Outcome::Published(kept) | Outcome::Present(kept) = &row.outcome {
            for kept in kept {
                count(&mut self.kept, kept.kind());
                self.write("kept", row.line, kept)?;
            }
        }
        self.bar.set_position(row.bytes_read);
        Ok(())
    }

    /// Tells the counts and closes the file.
    ///
    /// # Errors
    /// The file, or the output, cannot be written.
    pub(crate) fn finish(mut self, took: Duration) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        let out = &mut self.out;
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = self.rows.saturating_mul(1_000).div_euclid(millis);
        let (seconds, tenths) = (
            millis.div_euclid(1_000),
            millis.rem_euclid(1_000).div_euclid(100),
        );
        writeln!(
            out,
            "{} {} in {seconds}.{tenths} s, {rate} a second",
            self.rows,
            if self.rows == 1 { "row" } else { "rows" }
        )?;
        let counts = [
            (self.valid, "valid (nothing was loaded: --dry-run)"),
            (self.published, "published"),
            (self.present, "in the shop already"),
            (self.refused, "refused, see above"),
            (self.unanswered, "not answered, see above"),
        ];
        for (rows, what) in counts {
            if rows > 0 {
                writeln!(out, "{rows:>8} {what}")?;
            }
        }
        for (title, counts) in [
            ("repaired", &self.repairs),
            ("left as the shop has it", &self.kept),
        ] {
            if !counts.is_empty() {
                writeln!(out, "{title}:")?;
            }
            for (kind, rows) in counts {
                writeln!(out, "{rows:>8} {kind}")?;
            }
        }
        let has_more = !(self.repairs.is_empty() && self.kept.is_empty());
        if has_more && self.file.is_none() {
            writeln!(out, "--report FILE writes each of them, with its line.")?;
        }
        Ok(out.flush()?)
    }

    /// Tells one finding on the output and in the file.
    fn say(&mut self, line: u64, finding: &str, detail: &impl Display) -> anyhow::Result<()> {
        let out = &mut self.out;
        // The bar would be written over the line.
        self.bar
            .suspend(|| writeln!(out, "line {line}: {finding}: {detail}"))?;
        self.write(finding, line, detail)
    }

    fn write(&mut self, finding: &str, line: u64, detail: &impl Display) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_record([&line.to_string(), finding, &detail.to_string()])?;
        }
        Ok(())
    }
}

fn count(counts: &mut BTreeMap<&'static str, u64>, kind: &'static str) {
    let rows = counts.entry(kind).or_default();
    *rows = rows.saturating_add(1);
}
