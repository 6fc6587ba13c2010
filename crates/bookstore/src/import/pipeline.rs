//! Many rows at once, in the order of the file.

use std::io::{Read, Write};
use std::pin::pin;

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::finding::{Refusal, Repair};
use super::load::{Loader, Outcome};
use super::report::Report;
use super::rows::{ReadRow, Rows};

/// So many rows without an answer, one after the other, mean that the shop is gone.
const UNANSWERED_MAX: u32 = 10;

/// How an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Every row was settled.
    Complete,
    /// Some rows were not answered, to the end of the file.
    Incomplete,
    /// The rest of the file is behind a quote that never closes.
    Torn,
    /// Stopped by a signal.
    Interrupted,
    /// The shop stopped answering.
    Unreachable,
}

/// A row and what became of it.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) line: u64,
    pub(super) bytes_read: u64,
    pub(super) repairs: Vec<Repair>,
    pub(super) outcome: Outcome,
}

/// Loads all rows, `concurrency` of them at a time, and tells `report` of each, in file order.
///
/// Without a `loader` the rows are read and judged, and nothing is loaded. Once `stop` fires, no
/// further row is begun; those that run are brought to their end.
///
/// # Errors
/// The file cannot be read to its end, or the report cannot be written.
pub(crate) async fn load_rows<R: Read, W: Write>(
    rows: Rows<R>,
    loader: Option<&Loader>,
    concurrency: usize,
    stop: &CancellationToken,
    report: &mut Report<W>,
) -> anyhow::Result<End> {
    let settled = stream::iter(rows)
        .take_until(stop.clone().cancelled_owned())
        .map(|row| async { anyhow::Ok(settle(row?, loader).await) })
        .buffered(concurrency);
    let mut settled = pin!(settled);
    let mut unanswered_in_a_row = 0_u32;
    let mut unanswered = false;
    let mut unreachable = false;
    let mut torn = false;
    while let Some(row) = settled.next().await {
        let row = row?;
        torn |= row.outcome == Outcome::Refused(Refusal::NeverCloses);
        if matches!(row.outcome, Outcome::Unanswered(_)) {
            unanswered = true;
            unanswered_in_a_row = unanswered_in_a_row.saturating_add(1);
        } else {
            unanswered_in_a_row = 0;
        }
        if let Some(loader) = loader
            && unanswered_in_a_row == UNANSWERED_MAX
        {
            unreachable = true;
            loader.give_up();
            stop.cancel();
        }
        report.note(&row)?;
    }
    Ok(if unreachable {
        End::Unreachable
    } else if stop.is_cancelled() {
        End::Interrupted
    } else if torn {
        End::Torn
    } else if unanswered {
        End::Incomplete
    } else {
        End::Complete
    })
}

async fn settle(row: ReadRow, loader: Option<&Loader>) -> Settled {
    let ReadRow {
        line,
        bytes_read,
        verdict,
    } = row;
    let (repairs, outcome) = match (verdict, loader) {
        (Err(refusal), _) => (Vec::new(), Outcome::Refused(refusal)),
        (Ok((row, repairs)), Some(loader)) => (repairs, loader.load(&row).await),
        (Ok((_, repairs)), None) => (repairs, Outcome::Valid),
    };
    Settled {
        line,
        bytes_read,
        repairs,
        outcome,
    }
}
