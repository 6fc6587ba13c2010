//! `bookstore import FILE`: books and stock out of a CSV file, into a running system.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;
use types::{Fen, Quantity};

use super::signal::{Signals, Words};
use crate::clients;
use crate::config::Config;
use crate::health::expect_well;
use crate::import::{
    DERIVED_PRICE_RULE, Defaults, End, Loader, Report, Rows, load_rows, read_default_price,
};
use crate::service::Service;
use crate::{has_no_reader, tell};

const WORDS: Words = Words {
    ending: "ending: rows that are on their way are finished, no further one is begun",
    broken_off: "stopped in the midst of rows; the same command again completes them",
    say: tell,
};

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(after_long_help = rules())]
pub(crate) struct ImportArgs {
    /// The file: CSV in UTF-8, with a header; `title` and `author` must be there, `isbn`, `price`,
    /// `stock` and `description` may be
    file: PathBuf,

    /// Price of books whose row has none: 49.00 or 49元 is in yuan, 4900 in fen
    #[arg(long, value_name = "PRICE", value_parser = read_default_price)]
    default_price: Option<Fen>,

    /// Copies of books whose row does not say
    #[arg(long, value_name = "COPIES", default_value_t = 100, value_parser = clap::value_parser!(i32).range(0..))]
    default_stock: i32,

    /// Read and judge the file, load nothing
    #[arg(long)]
    dry_run: bool,

    /// Write every refused, repaired or differing row to this file, as CSV
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// How many rows are on their way at the same time
    #[arg(long, value_name = "ROWS", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
}

/// Loads the file. Running it again changes nothing, and completes what was interrupted.
///
/// Exit code 0 also where rows were refused, since all others are loaded; 1 where the import did
/// not come to its end.
pub(crate) async fn run(args: ImportArgs, config: Config) -> anyhow::Result<ExitCode> {
    let name = args.file.display();
    let file = File::open(&args.file).with_context(|| format!("{name}"))?;
    let size_bytes = file.metadata().with_context(|| format!("{name}"))?.len();
    let defaults = Defaults {
        price: args.default_price,
        stock: Quantity::new(args.default_stock),
    };
    let rows = Rows::open(file, defaults).with_context(|| format!("{name}"))?;
    let report_file = args
        .report
        .as_ref()
        .map(|path| File::create(path).with_context(|| format!("{}", path.display())));
    let loader = if args.dry_run {
        None
    } else {
        Some(connect(&config).await?)
    };

    writeln!(std::io::stdout(), "importing {name}")?;
    let mut report = Report::new(
        std::io::stdout(),
        progress_bar(size_bytes)?,
        report_file.transpose()?,
    )?;
    report.tell_sources(&rows)?;
    let begun = Instant::now();
    let stop = CancellationToken::new();
    let mut end = None;
    let work = async {
        end = Some(
            load_rows(
                rows,
                loader.as_ref(),
                usize::from(args.concurrency),
                &stop,
                &mut report,
            )
            .await,
        );
    };
    let told_twice = Signals::listen()?.guard(WORDS, stop.clone(), work).await;
    let Some(end) = end else {
        return Ok(told_twice);
    };
    report.finish(begun.elapsed())?;
    tell_end(end)
}

async fn connect(config: &Config) -> anyhow::Result<Loader> {
    let needed = [Service::Catalog, Service::Inventory];
    let needed = needed.map(|service| (service.name(), service.listen(config).to_string()));
    expect_well(&needed).await?;
    Ok(Loader::new(clients::connect(config)?))
}

/// A bar over the file's bytes, on standard error, where that is a terminal.
fn progress_bar(size_bytes: u64) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:40} {percent:>3}%  {eta} left")?;
    Ok(ProgressBar::new(size_bytes).with_style(style))
}

fn tell_end(end: anyhow::Result<End>) -> anyhow::Result<ExitCode> {
    let why = match end {
        Ok(End::Complete) => return Ok(ExitCode::SUCCESS),
        Ok(End::Incomplete) => "some rows were not answered".to_owned(),
        Ok(End::Torn) => {
            "the rest of the file is behind a quote that never closes: set that right".to_owned()
        }
        Ok(End::Interrupted) => "interrupted".to_owned(),
        Ok(End::Unreachable) => "stopped: the shop does not answer any more".to_owned(),
        Err(error) if has_no_reader(&error) => return Err(error),
        Err(error) => format!("{error:#}"),
    };
    tell(&format!(
        "{why}. Run the same command again: it changes nothing that is loaded, and goes on with the rest."
    ));
    Ok(ExitCode::FAILURE)
}

fn rules() -> String {
    format!(
        "Rules:\n  \
         Headers match loosely: `Book_Title`, `ISBN-13`, `Author(s)`, 书名, 作者, 定价（元）, 库存, 简介.\n  \
         A price is in yuan, in a column called `price_fen` in fen; without --default-price a missing one is\n  \
         {DERIVED_PRICE_RULE}.\n  \
         An ISBN-10, with or without its leading zeros, becomes an ISBN-13. A book whose ISBN is not valid is\n  \
         loaded without it.\n  \
         Too long a title is cut to 200 characters; of too many authors the last are left out.\n  \
         A row is known by its ISBN, without one by its title and author. A second row of a book in the file is\n  \
         refused; a book that is in the shop is left as it is, and the row's copies are added once.\n\
         Every refused row is told with its line; --report has the repairs, too.\n\n\
         Exit codes: 0 the file is loaded, also where rows were refused; 1 the import did not come to its end: run\n\
         it again; 2 the system does not answer, or the file, the configuration or the arguments are wrong; 130 told\n\
         twice to stop."
    )
}

#[cfg(test)]
mod tests {
    //! Proves that the exit code tells whether the import came to its end.

    use super::*;

    #[test]
    fn an_import_that_did_not_come_to_its_end_is_exit_code_1() {
        let code = |end| format!("{:?}", tell_end(end).unwrap());
        let [well, unfinished] = [ExitCode::SUCCESS, ExitCode::FAILURE].map(|c| format!("{c:?}"));
        assert_eq!(code(Ok(End::Complete)), well);
        let ends = [
            End::Incomplete,
            End::Torn,
            End::Interrupted,
            End::Unreachable,
        ];
        for end in ends {
            assert_eq!(code(Ok(end)), unfinished, "{end:?}");
        }
        let torn_disk = anyhow::anyhow!("the file cannot be read any further");
        assert_eq!(code(Err(torn_disk)), unfinished);
    }
}
