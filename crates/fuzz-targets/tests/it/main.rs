//! Proves: every target survives a short run; the inputs that once found something find nothing any
//! more; and cargo-fuzz is handed every target there is.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use fuzz_targets::{Plan, fuzz, names, replay};

fn plan(executions: u64, findings: &Path) -> Plan {
    Plan {
        executions,
        time: None,
        seed: 1,
        findings: findings.to_owned(),
    }
}

fn run_all(kind: impl Fn(&str) -> bool, executions: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut ran = 0;
    for name in names()?.into_iter().filter(|name| kind(name)) {
        let tally = fuzz(&name, &plan(executions, folder.path()))?;
        if let Some(finding) = tally.finding {
            let input = std::fs::read(&finding.file)?;
            anyhow::bail!(
                "{name}: {}: {:?}",
                finding.why,
                input.escape_ascii().to_string()
            );
        }
        ensure!(tally.executions == executions);
        ran += 1;
    }
    ensure!(ran > 0, "no target was run");
    Ok(())
}

fn is_sequence(name: &str) -> bool {
    name.ends_with("_calls")
}

fn is_slow(name: &str) -> bool {
    is_sequence(name) || name.starts_with("config") || name.starts_with("catalog")
}

#[test]
fn every_service_survives_calls_in_sequence() -> anyhow::Result<()> {
    run_all(is_sequence, 40)
}

#[test]
fn every_slow_target_survives() -> anyhow::Result<()> {
    run_all(|name| is_slow(name) && !is_sequence(name), 300)
}

#[test]
fn every_other_target_survives() -> anyhow::Result<()> {
    run_all(|name| !is_slow(name), 1_000)
}

#[test]
fn what_was_once_found_is_not_found_again() -> anyhow::Result<()> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut replayed = 0;
    for folder in read_folder(&kept)? {
        let name = folder.file_name().and_then(|name| name.to_str());
        let name = name.context("a folder without a name")?;
        for file in read_folder(&folder)? {
            let found = replay(name, &file)?;
            ensure!(found.is_none(), "{}: {found:?}", file.display());
            replayed += 1;
        }
    }
    ensure!(replayed > 0, "nothing was replayed");
    Ok(())
}

#[test]
fn cargo_fuzz_is_handed_every_target() -> anyhow::Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(&manifest)?;
    let mut handed: Vec<&str> = manifest
        .split("[[bin]]\nname = \"")
        .skip(1)
        .filter_map(|bin| bin.split('"').next())
        .collect();
    let mut names = names()?;
    handed.sort_unstable();
    names.sort_unstable();
    ensure!(
        handed == names,
        "fuzz/Cargo.toml has {handed:?}, the targets are {names:?}"
    );
    Ok(())
}

fn read_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    entries.map(|entry| Ok(entry?.path())).collect()
}
