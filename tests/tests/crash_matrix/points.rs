//! Which crash points there are: read from the sources, so that a new one is known before anything
//! ever came by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use bookstore_e2e::repository;

/// What no story can come by, each with the reason.
const OUT_OF_REACH: [(&str, &str); 2] = [
    (
        "order.resume_task",
        "`bookstore resume` writes without a combiner; its unit is apply_orders",
    ),
    (
        "DeductBatchesRequest",
        "orders of one moment share it; a story makes one after the other, by BatchDeductStockRequest",
    ),
];
/// What is there only where a shop stands on servers.
const ON_SERVERS: [&str; 1] = ["catalog.fill_cache"];
/// Units of work on servers that write for the sake of the log alone: the platform's, and the combined read that
/// waits for one.
const SYNCS: [&str; 2] = ["sync", "order.first"];
/// Units of work that carry the points of the operations in them, too.
const UNITS_OF_MANY: [&str; 4] = [
    "apply_orders",
    "apply_stock",
    "apply payments",
    "catalog.apply",
];
/// The crates whose sources have points.
const CRATES: [&str; 5] = ["platform", "catalog", "inventory", "order", "payment"];

/// A point, at its Nth passage in one life of a process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) point: String,
    pub(crate) turn: usize,
}

impl Target {
    /// The first passage.
    pub(crate) fn first(point: &str) -> Self {
        Self {
            point: point.to_owned(),
            turn: 1,
        }
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let (point, turn) = text.rsplit_once(':').context("NAME:N")?;
        Ok(Self {
            point: point.to_owned(),
            turn: turn.parse()?,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.point, self.turn)
    }
}

/// Whether the point is passed at the same moments as those of operations.
pub(crate) fn is_of_many(point: &str) -> bool {
    let unit = point.rsplit_once('.').map(|(unit, _)| unit);
    unit.is_some_and(|unit| UNITS_OF_MANY.contains(&unit))
}

/// How often each point was passed.
pub(crate) type Passed = BTreeMap<String, usize>;

/// Reads what a process wrote down; nothing where it wrote nothing.
pub(crate) fn read_passed(log: &Path) -> Passed {
    let mut passed = Passed::new();
    for point in std::fs::read_to_string(log).unwrap_or_default().lines() {
        *passed.entry(point.to_owned()).or_default() += 1;
    }
    passed
}

/// All points that the sources have, but for those out of reach: on servers, or without.
pub(crate) fn list_points(on_servers: bool) -> anyhow::Result<BTreeSet<String>> {
    let mut units = BTreeSet::from(["migrate".to_owned()]);
    let mut effects = BTreeSet::new();
    for name in CRATES {
        let folder = repository().join("crates").join(name).join("src");
        for file in sources(&folder)? {
            let text = std::fs::read_to_string(&file)?;
            let path = file.strip_prefix(&folder)?.to_string_lossy().into_owned();
            effects.extend(literals_after(&text, "crash::around("));
            if path.starts_with("store/sql/") {
                units.extend(literals_after(&text, ".write("));
                units.extend(literals_after(&text, ".write_keyed("));
            }
            if path.starts_with("domain/") {
                let prefix = format!("{name}.");
                let arms = literals_after(&text, "=>").into_iter();
                // An arm too long for its line has braces.
                let arms = arms.chain(literals_after(&text, "=> {"));
                units.extend(arms.filter(|name| name.starts_with(&prefix)));
            }
            if path.starts_with("clients/") {
                effects.extend(requests(&text));
            }
        }
    }
    ensure!(
        units.len() > 30 && effects.len() > 10,
        "have the forms changed? {units:?} {effects:?}"
    );
    for (unit, _) in OUT_OF_REACH {
        let is_there = units.remove(unit) || effects.remove(unit);
        ensure!(is_there, "{unit} is gone: take it out here, too");
    }
    if on_servers {
        units.extend(SYNCS.map(str::to_owned));
    } else {
        effects.retain(|effect| !ON_SERVERS.contains(&effect.as_str()));
    }
    let points = |names: BTreeSet<String>, moments: [&'static str; 2]| {
        names
            .into_iter()
            .flat_map(move |name| moments.map(|moment| format!("{name}.{moment}")))
    };
    Ok(points(units, ["before_commit", "after_commit"])
        .chain(points(effects, ["before", "after"]))
        .collect())
}

/// The string literals that follow `opening`, whatever blanks are between.
fn literals_after(text: &str, opening: &str) -> Vec<String> {
    text.split(opening)
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"'))
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// The messages that other services are asked with.
fn requests(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| word.ends_with("Request") && *word != "Request")
        .map(str::to_owned)
}

fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}
