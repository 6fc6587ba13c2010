//! `bookstore`: an online bookstore's order back end in one program. A library only so that tests can
//! build the same program with crash points beside the usual one, and fuzz what reads files:
//! [`Config::read`] and [`read_csv`].
//!
//! Owns: the command line, the configuration's root, and how services are put together into a
//! process. Never does: a rule of the trade.
//!
//! Start reading at `commands` (one short file a subcommand) and `system` (four services in one
//! process).

mod check;
mod clients;
mod commands;
mod config;
mod demo;
mod health;
mod import;
mod load;
mod registration;
mod service;
mod system;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use commands::Command;
pub use config::Config;
pub use import::{CsvBook, read_csv};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The heading of what every command takes.
const GLOBAL: &str = "Options of every command";

/// The exit code of a mistake in the configuration, and of anything that stops a start.
const CANNOT_START: u8 = 2;
/// The exit code where the reader of the output left, as `head` does: that of whom SIGPIPE ends.
const NO_READER: u8 = 141;

/// How long a command that has ended waits for what it cut off.
const LEFT_OVER_LIMIT: Duration = Duration::from_millis(100);

/// An online bookstore's order back end: never oversells, never charges twice, never loses an order.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    /// Configuration file [default: bookstore.yaml, if there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    config: Option<PathBuf>,

    /// Where databases are that the configuration does not name
    #[arg(long, global = true, value_name = "DIR", default_value = "./data", help_heading = GLOBAL)]
    data_dir: PathBuf,

    #[command(subcommand)]
    command: Command,
}

/// Runs the program: reads its command line, does what it says, answers the exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_server = arguments.command.is_server();
    match run(arguments) {
        Ok(code) => code,
        // Nothing to tell, and nobody to tell it to; but a server does not go without a word.
        Err(error) if !is_server && has_no_reader(&error) => ExitCode::from(NO_READER),
        Err(error) => {
            tell(&format!("{error:#}"));
            ExitCode::from(CANNOT_START)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = Config::load(arguments.config.as_deref(), &arguments.data_dir)?;
    let is_server = arguments.command.is_server();
    config.start_logs(is_server)?;
    let runtime = runtime(is_server, &config)?;
    run_on(runtime, arguments.command.run(config))
}

/// Runs `command` to its end, and waits for nothing else.
fn run_on<T>(runtime: Runtime, command: impl Future<Output = T>) -> T {
    let ended = runtime.block_on(command);
    // A command waits for what it began. What is left was cut off, as a question to a name server that is silent.
    runtime.shutdown_timeout(LEFT_OVER_LIMIT);
    ended
}

/// Whether the output is a pipe that nobody reads any more.
fn has_no_reader(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Servers have as many threads as they are told; other commands have the machine to themselves.
fn runtime(is_server: bool, config: &Config) -> io::Result<Runtime> {
    let mut runtime = Builder::new_multi_thread();
    if is_server {
        let processors = available_parallelism().map_or(1, usize::from);
        runtime.worker_threads(config.workers(processors));
    }
    runtime.enable_all().build()
}

/// Says one line on standard error.
#[expect(
    clippy::print_stderr,
    reason = "the one line that a person at the terminal must see"
)]
fn tell(line: &str) {
    eprintln!("bookstore: {line}");
}

#[cfg(test)]
mod tests {
    //! Proves that a server has as many threads for its calls as it is told, and that a command which was
    //! cut off ends.

    use super::*;

    #[test]
    fn a_server_has_the_workers_that_it_is_told() {
        let given = ("BOOKSTORE_WORKERS".to_owned(), "3".to_owned());
        let config = Config::read(None, [given], "data".as_ref()).unwrap();
        assert_eq!(runtime(true, &config).unwrap().metrics().num_workers(), 3);
    }

    #[test]
    fn what_was_cut_off_is_not_waited_for() {
        let runtime = Builder::new_multi_thread().build().unwrap();
        let (never_told, told) = std::sync::mpsc::channel::<()>();
        let ended = run_on(runtime, async move {
            drop(tokio::task::spawn_blocking(move || told.recv()));
            7
        });
        assert_eq!(ended, 7);
        drop(never_told);
    }
}
