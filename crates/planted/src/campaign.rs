//! Everything in order: the copy, one build, the suites without any fault, then each fault.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::binaries::{self, Binary};
use crate::fault::Fault;
use crate::report;
use crate::suite::{Suite, Target, Verdict};
use crate::tree;
use crate::workspace::Workspace;

/// How long a suite may take without any fault.
const BASELINE_LIMIT: Duration = Duration::from_mins(5);
/// How much longer than without a fault it may take before it counts as hanging: longer than a test waits for
/// what should come true, so that such a wait ends as a named failure.
const EXTRA: Duration = Duration::from_mins(1);
/// How often a suite is tried whose first failure did not repeat itself: races are not won every time.
const TRIES: u32 = 3;

/// What is needed to plant faults.
pub(crate) struct Campaign<'a> {
    faults: Vec<&'a Fault>,
    binaries: BTreeMap<Target, Binary>,
    logs: PathBuf,
    /// Faults that need a server take turns: the suites of two that start servers at once may meet at a port.
    turns: Mutex<()>,
}

/// What became of a fault.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    /// The fault.
    pub(crate) fault: &'a Fault,
    /// How it ended.
    pub(crate) end: End,
    /// How long its suites ran.
    pub(crate) took: Duration,
}

/// How a fault ended.
#[derive(Debug)]
pub(crate) enum End {
    /// A suite saw it.
    Caught(Target, Verdict),
    /// All its suites are green: they are blind to it.
    Survived,
    /// The server that shows it is not installed.
    LeftOut(String),
}

impl<'a> Campaign<'a> {
    /// Plants all faults in the copy and builds the suites that the chosen ones need.
    pub(crate) fn prepare(
        workspace: &Workspace,
        faults: &'a [Fault],
        chosen: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let tree = workspace.tree();
        std::fs::create_dir_all(workspace.logs())?;
        std::fs::create_dir_all(&tree)?;
        tree::write(&workspace.root, &tree, faults)?;
        let faults: Vec<_> = faults.iter().filter(|f| chosen(&f.name)).collect();
        ensure!(!faults.is_empty(), "no fault has such a name");
        let targets = targets_of(&faults);
        report::say(&format!(
            "building {} suites with {} faults planted",
            targets.len(),
            faults.len()
        ))?;
        let binaries = binaries::build(&tree, &workspace.target, &targets)?;
        report::say(&format!(
            "built after {}",
            report::seconds(started.elapsed())
        ))?;
        Ok(Self {
            faults,
            binaries,
            logs: workspace.logs(),
            turns: Mutex::default(),
        })
    }

    /// Runs the suites without a fault, which must be green, and then with each fault in turn.
    ///
    /// # Errors
    /// A suite that is red by itself: it would catch anything.
    pub(crate) fn run(&self, jobs: usize) -> anyhow::Result<Vec<Outcome<'a>>> {
        let targets: Vec<_> = targets_of(&self.faults).into_iter().collect();
        let baseline: BTreeMap<_, _> =
            in_parallel(jobs, &targets, |target| self.check_green(target))?
                .into_iter()
                .collect();
        in_parallel(jobs, &self.faults, |fault| {
            let outcome = self.plant(fault, &baseline)?;
            report::progress(&outcome)?;
            Ok(outcome)
        })
    }

    /// Runs what the faults ask of `target`; answers how long it takes.
    fn check_green<'t>(&self, target: &'t Target) -> anyhow::Result<(&'t Target, Duration)> {
        let suites = self.faults.iter().flat_map(|fault| &fault.suites);
        let suite = Suite::union(target, suites);
        for _ in 0..TRIES {
            let started = Instant::now();
            let verdict = self.run_one(&suite, None, BASELINE_LIMIT)?;
            let took = started.elapsed();
            if verdict == Verdict::Green {
                report::say(&format!("{:>7}  {target} is green", report::seconds(took)))?;
                return Ok((target, took));
            }
            let is_red = self.is_proof(&suite, None, BASELINE_LIMIT, &verdict)?;
            ensure!(!is_red, "{target} is red without any fault: {verdict:?}");
        }
        bail!("{target} is now green and now red: the machine is too busy for it");
    }

    fn plant(
        &self,
        fault: &'a Fault,
        baseline: &BTreeMap<&Target, Duration>,
    ) -> anyhow::Result<Outcome<'a>> {
        let started = Instant::now();
        let end = match &fault.needs {
            Some(program) if !is_installed(program) => End::LeftOut(program.clone()),
            _ => self.hunt(fault, baseline)?,
        };
        Ok(Outcome {
            fault,
            end,
            took: started.elapsed(),
        })
    }

    fn hunt(&self, fault: &Fault, baseline: &BTreeMap<&Target, Duration>) -> anyhow::Result<End> {
        let _turn = fault
            .needs
            .is_some()
            .then(|| self.turns.lock().unwrap_or_else(PoisonError::into_inner));
        for suite in &fault.suites {
            let usual = baseline.get(&suite.target);
            let limit = usual
                .context("a suite without a baseline")?
                .saturating_add(EXTRA);
            for _ in 0..TRIES {
                let verdict = self.run_one(suite, Some(fault), limit)?;
                if self.is_proof(suite, Some(fault), limit, &verdict)? {
                    return Ok(End::Caught(suite.target.clone(), verdict));
                }
                if verdict == Verdict::Green {
                    break;
                }
            }
        }
        Ok(End::Survived)
    }

    /// Whether a suite is red in earnest. A test that failed must fail again, alone, and pass without the
    /// fault: one that fails now and then by itself, as on a machine that is too busy, would catch anything.
    fn is_proof(
        &self,
        suite: &Suite,
        fault: Option<&Fault>,
        limit: Duration,
        verdict: &Verdict,
    ) -> anyhow::Result<bool> {
        let test = match verdict {
            Verdict::Green => return Ok(false),
            Verdict::Died(_) | Verdict::Hung(_) => return Ok(true),
            Verdict::Red(test) => suite.only(test),
        };
        let fails_again = self.run_one(&test, fault, limit)? != Verdict::Green;
        let is_sound = fault.is_none() || self.run_one(&test, None, limit)? == Verdict::Green;
        Ok(fails_again && is_sound)
    }

    fn run_one(
        &self,
        suite: &Suite,
        fault: Option<&Fault>,
        limit: Duration,
    ) -> anyhow::Result<Verdict> {
        let target = &suite.target;
        let name = fault.map(|fault| fault.name.as_str());
        let log = self.log(target, name.unwrap_or_default());
        suite.run(self.binary(target)?, name, limit, &log)
    }

    fn binary(&self, target: &Target) -> anyhow::Result<&Binary> {
        let binary = self.binaries.get(target);
        binary.with_context(|| format!("{target} was not built"))
    }

    fn log(&self, target: &Target, fault: &str) -> PathBuf {
        let name = format!("{fault}.{target}.log").replace('/', ".");
        self.logs.join(name.trim_start_matches('.'))
    }
}

fn targets_of<'f>(faults: &[&'f Fault]) -> BTreeSet<&'f Target> {
    let suites = faults.iter().flat_map(|fault| &fault.suites);
    suites.map(|suite| &suite.target).collect()
}

/// Works through `items` on `jobs` threads; answers in their order.
fn in_parallel<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|threads| {
        for _ in 0..jobs {
            threads.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(place) else { break };
                    let result = work(item);
                    if result.is_err() {
                        // Nothing more is begun.
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.insert(place, result);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_values().collect()
}

/// Whether `program` is on the path, or where servers are installed.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.push(Path::new("/usr/sbin").to_owned());
    folders.iter().any(|folder| folder.join(program).is_file())
}
