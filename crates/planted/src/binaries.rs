//! The suites of the copy, built once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::suite::Target;

/// A test binary.
#[derive(Debug)]
pub(crate) struct Binary {
    /// The program.
    pub(crate) executable: PathBuf,
    /// The crate's folder, where its tests expect to be run.
    pub(crate) folder: PathBuf,
}

/// Builds the targets of the copy at `tree` in `target_folder`.
///
/// The folder is the repository's own, so that other people's crates are not built again; cargo keeps
/// our own apart by their version. Only tests are built, no programs, whose names would clash.
pub(crate) fn build(
    tree: &Path,
    target_folder: &Path,
    targets: &BTreeSet<&Target>,
) -> anyhow::Result<BTreeMap<Target, Binary>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--no-run", "--quiet", "--lib"]);
    cargo.arg("--message-format=json");
    let packages: BTreeSet<_> = targets.iter().map(|target| &target.package).collect();
    for package in packages {
        cargo.args(["-p", package]);
    }
    let tests: BTreeSet<_> = targets.iter().filter_map(|t| t.test.as_ref()).collect();
    for test in tests {
        cargo.args(["--test", test]);
    }
    let told = cargo
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target_folder)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let mut binaries = BTreeMap::new();
    let mut errors = String::new();
    for line in String::from_utf8(told.stdout)?.lines() {
        let message: Value = serde_json::from_str(line)?;
        if let Some((target, binary)) = read_binary(&message) {
            binaries.insert(target, binary);
        }
        // What is planted is not pretty: warnings say nothing.
        if message["message"]["level"] == "error" {
            errors.push_str(message["message"]["rendered"].as_str().unwrap_or_default());
        }
    }
    ensure!(told.status.success(), "the copy does not build\n{errors}");
    for target in targets {
        ensure!(binaries.contains_key(target), "there is no suite {target}");
    }
    Ok(binaries)
}

/// The binary that a message of cargo tells of.
fn read_binary(message: &Value) -> Option<(Target, Binary)> {
    let executable = message["executable"].as_str()?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let is_test = message["target"]["kind"][0] == "test";
    let test = is_test.then(|| message["target"]["name"].as_str().map(str::to_owned));
    let target = Target {
        package: name_of(message["package_id"].as_str()?)?.to_owned(),
        test: test.flatten(),
    };
    let binary = Binary {
        executable: executable.into(),
        folder: folder.to_owned(),
    };
    Some((target, binary))
}

/// The crate's name in `path+file:///x/crates/order#0.1.0` or `path+file:///x/tests#e2e@0.1.0`.
fn name_of(package_id: &str) -> Option<&str> {
    let (path, version) = package_id.rsplit_once('#')?;
    match version.split_once('@') {
        Some((name, _)) => Some(name),
        None => path.rsplit('/').next(),
    }
}

#[cfg(test)]
mod tests {
    //! Proves that a crate's name is found in both forms of cargo's ids.

    use super::*;

    #[test]
    fn a_package_is_named_by_its_folder_or_in_words() {
        assert_eq!(name_of("path+file:///x/crates/order#0.1.0"), Some("order"));
        assert_eq!(name_of("path+file:///x/tests#e2e@0.1.0"), Some("e2e"));
    }
}
