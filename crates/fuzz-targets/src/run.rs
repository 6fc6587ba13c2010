//! The loop: inputs made, changed and executed, until enough or until something is found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::mutate;
use crate::shrink::shrink;
use crate::target::{Target, open};

/// How many inputs are kept to be changed further.
const POOL_LEN: usize = 128;
/// How many executions go by between two looks at the clock.
const LOOK_EVERY: u64 = 64;

/// How long to fuzz one target.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The most executions.
    pub executions: u64,
    /// The longest time, where there is a limit.
    pub time: Option<Duration>,
    /// Makes the same inputs in the same order again.
    pub seed: u64,
    /// Where inputs that found something are written.
    pub findings: PathBuf,
}

/// How fuzzing one target went.
#[derive(Debug)]
pub struct Tally {
    /// How many executions were done.
    pub executions: u64,
    /// How long they took.
    pub elapsed: Duration,
    /// What was found; the first ends the run.
    pub finding: Option<Finding>,
}

/// An input that broke a promise.
#[derive(Debug)]
pub struct Finding {
    /// Which, in words.
    pub why: String,
    /// The file with the input, made as small as it still finds it.
    pub file: PathBuf,
}

/// Fuzzes the target `name`.
///
/// # Errors
/// The target cannot be opened, or the finding cannot be written.
pub fn fuzz(name: &str, plan: &Plan) -> anyhow::Result<Tally> {
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    let mut target = open(name)?;
    let mut pool = fill_pool(&*target, &mut rng);
    let mut input = Vec::new();
    let (begun, mut executions) = (Instant::now(), 0_u64);
    while executions < plan.executions && !is_over(plan, executions, begun) {
        next_input(&*target, &mut rng, &mut pool, &mut input);
        executions = executions.saturating_add(1);
        if let Err(why) = guarded(&mut *target, &input) {
            let elapsed = begun.elapsed();
            let finding = Some(keep(name, plan, &input, why)?);
            return Ok(Tally {
                executions,
                elapsed,
                finding,
            });
        }
    }
    Ok(Tally {
        executions,
        elapsed: begun.elapsed(),
        finding: None,
    })
}

/// Executes the target `name` once, on the input in `file`; answers what it found.
///
/// # Errors
/// The target cannot be opened, or the file not read.
pub fn replay(name: &str, file: &Path) -> anyhow::Result<Option<String>> {
    let input = std::fs::read(file).with_context(|| file.display().to_string())?;
    Ok(guarded(&mut *open(name)?, &input).err())
}

fn is_over(plan: &Plan, executions: u64, begun: Instant) -> bool {
    executions.is_multiple_of(LOOK_EVERY) && plan.time.is_some_and(|limit| begun.elapsed() >= limit)
}

fn fill_pool(target: &dyn Target, rng: &mut SmallRng) -> Vec<Vec<u8>> {
    let mut pool = vec![Vec::new(); POOL_LEN];
    for input in &mut pool {
        target.generate(rng, input);
    }
    pool
}

/// A third is fresh and likely to be accepted, the rest is changed a little, and now and then stays in
/// the pool to be changed again.
fn next_input(target: &dyn Target, rng: &mut SmallRng, pool: &mut [Vec<u8>], input: &mut Vec<u8>) {
    if rng.random_range(0..3_u8) == 0 {
        target.generate(rng, input);
    } else {
        input.clear();
        input.extend(mutate::pick(rng, pool).into_iter().flatten());
        for _ in 0..rng.random_range(1..=4_u8) {
            target.mutate(rng, input);
        }
    }
    if rng.random_range(0..16_u8) == 0 {
        let at = rng.random_range(0..pool.len());
        if let Some(kept) = pool.get_mut(at) {
            kept.clone_from(input);
        }
    }
}

/// One execution; a panic is a finding like any other.
fn guarded(target: &mut dyn Target, input: &[u8]) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| target.execute(input))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("a panic: {}", text.unwrap_or("without words")))
        }
    }
}

fn keep(name: &str, plan: &Plan, input: &[u8], why: String) -> anyhow::Result<Finding> {
    // After a panic a target may be in pieces: each try opens it anew.
    let fails = |input: &[u8]| open(name).is_ok_and(|mut t| guarded(&mut *t, input).is_err());
    let smallest = if fails(input) {
        shrink(input, fails)
    } else {
        input.to_vec()
    };
    let folder = plan.findings.join(name);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let file = folder.join(format!("{:016x}", plan.seed));
    std::fs::write(&file, smallest).with_context(|| file.display().to_string())?;
    Ok(Finding { why, file })
}
