use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::Context;
use rand::rngs::SmallRng;

use crate::{calls, parsers};

/// Something that takes bytes and must survive them.
pub trait Target {
    /// Does one execution, whose outcome depends on `input` alone.
    ///
    /// # Errors
    /// What was promised and not kept; a panic counts as one.
    fn execute(&mut self, input: &[u8]) -> anyhow::Result<()>;

    /// Replaces `input` by one that is likely to be accepted.
    fn generate(&self, rng: &mut SmallRng, input: &mut Vec<u8>);

    /// Changes `input` a little.
    fn mutate(&self, rng: &mut SmallRng, input: &mut Vec<u8>);
}

/// The names of all targets: those of `fuzz/Cargo.toml`, and what `--target` takes.
///
/// # Errors
/// The descriptor set of the four services cannot be read.
pub fn names() -> anyhow::Result<Vec<String>> {
    let mut names = parsers::names();
    names.extend(calls::names()?);
    Ok(names)
}

/// Opens the target of that name, on rows of its own.
///
/// # Errors
/// There is none of that name, or its service does not start.
pub fn open(name: &str) -> anyhow::Result<Box<dyn Target>> {
    match parsers::open(name) {
        Some(parser) => Ok(Box::new(parser)),
        None => calls::open(name).with_context(|| format!("the target {name}")),
    }
}

/// Does one execution of the target `name`, which stays open for this thread's next one: the way in
/// for libFuzzer, which hands over bytes and nothing else.
///
/// # Panics
/// With the finding: it is how libFuzzer hears of one.
#[expect(clippy::panic, reason = "libFuzzer takes a panic for a finding")]
pub fn drive(name: &str, input: &[u8]) {
    thread_local! {
        static OPEN: RefCell<BTreeMap<String, Box<dyn Target>>> = const { RefCell::new(BTreeMap::new()) };
    }
    let outcome = OPEN.with_borrow_mut(|targets| {
        if !targets.contains_key(name) {
            targets.insert(name.to_owned(), open(name)?);
        }
        let target = targets.get_mut(name).context("was just opened")?;
        target.execute(input)
    });
    if let Err(finding) = outcome {
        panic!("{name}: {finding:#}");
    }
}
