//! The list of faults: `faults/*.yaml`, a file a crate or two.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::suite::Suite;

/// A bug that somebody could make, where it would stand, and who is expected to see it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Its name, in kebab case.
    pub(crate) name: String,
    /// The promise it breaks (docs/reliability.md, proto/), in one sentence.
    pub(crate) rule: String,
    /// The places to be changed, together.
    pub(crate) places: Vec<Place>,
    /// Who should see it, cheapest first.
    pub(crate) suites: Vec<Suite>,
    /// A server without which nobody can see it: the name of its program.
    pub(crate) needs: Option<String>,
}

/// One place of a fault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The file, from the root of the repository.
    pub(crate) file: String,
    /// The text that stands there: whole statements, or an expression. Occurs exactly once.
    pub(crate) find: String,
    /// What stands there while the fault is planted.
    pub(crate) plant: String,
}

/// Reads every fault, in the order of the files' names.
pub(crate) fn read_all(root: &Path) -> anyhow::Result<Vec<Fault>> {
    let folder = root.join("crates/planted/faults");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        files.push(entry?.path());
    }
    files.sort();
    let mut faults = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let read: Vec<Fault> =
            serde_saphyr::from_str(&text).with_context(|| file.display().to_string())?;
        faults.extend(read);
    }
    check(&faults)?;
    Ok(faults)
}

fn check(faults: &[Fault]) -> anyhow::Result<()> {
    let mut names = BTreeSet::new();
    for fault in faults {
        let name = &fault.name;
        let is_kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            !name.is_empty() && name.chars().all(is_kebab),
            "{name}: not kebab case"
        );
        ensure!(names.insert(name), "{name}: twice");
        ensure!(!fault.rule.is_empty(), "{name}: breaks no rule");
        ensure!(!fault.places.is_empty(), "{name}: stands nowhere");
        ensure!(!fault.suites.is_empty(), "{name}: nobody is to see it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Proves that every fault still fits the sources: a refactoring that moves a place moves the fault
    //! with it, or this fails.

    use super::*;
    use crate::{splice, workspace};

    #[test]
    fn there_are_many_faults_and_each_fits_the_sources() -> anyhow::Result<()> {
        let workspace = workspace::find()?;
        let faults = read_all(&workspace.root)?;
        ensure!(faults.len() >= 30, "{} faults", faults.len());
        for (file, places) in splice::by_file(&faults) {
            let text = std::fs::read_to_string(workspace.root.join(file))
                .with_context(|| format!("{file} is gone"))?;
            splice::plant(&text, &places).with_context(|| file.to_owned())?;
        }
        Ok(())
    }
}
