//! `planted`: plants known bugs, one at a time, and shows by which suite and after how long each was
//! caught. This is how we know that the suites see.
//!
//! Owns: the list of faults (`faults/`), the copy of the sources in which they are planted, and the
//! table at the end. Never does: change a source of this repository. The copy under the target folder
//! is rewritten once, so that each place chooses at run time between what stands there and what is
//! planted (mutant schemata); it is built once, and a variable names the fault of a run.
//!
//! Start reading at [`campaign`]; how a place is rewritten: [`splice`].

mod binaries;
mod campaign;
mod fault;
mod report;
mod splice;
mod suite;
mod tree;
mod workspace;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Parser;

use campaign::Campaign;

/// Plants each fault of `crates/planted/faults` in turn; exit code 1 where a suite lets one live.
#[derive(Debug, Parser)]
struct Arguments {
    /// Plant only faults whose name holds one of these
    names: Vec<String>,

    /// Print the faults and the rules they break, and plant nothing
    #[arg(long)]
    list: bool,

    /// How many faults are planted at once, each in processes of its own [default: two a core, as many
    /// a suite waits for what never comes true]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let workspace = workspace::find()?;
    let faults = fault::read_all(&workspace.root)?;
    let chosen = |name: &str| {
        let names = &arguments.names;
        names.is_empty() || names.iter().any(|part| name.contains(part))
    };
    if arguments.list {
        report::list(faults.iter().filter(|fault| chosen(&fault.name)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let cores = std::thread::available_parallelism()?.get();
    let jobs = arguments.jobs.map_or(cores * 2, NonZeroUsize::get);
    let campaign = Campaign::prepare(&workspace, &faults, chosen)?;
    let outcomes = campaign.run(jobs)?;
    let survivors = report::table(&outcomes)?;
    Ok(if survivors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
