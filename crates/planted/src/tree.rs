//! The copy of the sources in which faults are planted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::fault::Fault;
use crate::splice::{self, Named};

/// What a build and the suites need of the repository.
const PARTS: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "bookstore.yaml",
    "crates",
    "docs",
    "proto",
    "rust-toolchain.toml",
    "tests",
];

/// Brings the copy at `tree` up to date with `root` and plants every fault in it.
///
/// Only files that come out different are written, so that cargo builds anew what changed and no more.
pub(crate) fn write(root: &Path, tree: &Path, faults: &[Fault]) -> anyhow::Result<()> {
    let mut files = BTreeSet::new();
    for part in PARTS {
        list(root, Path::new(part), &mut files)?;
    }
    let places = splice::by_file(faults);
    for file in places.keys() {
        let there = files.contains(Path::new(file));
        ensure!(there, "{file}: is gone, or not part of the copy");
    }
    for file in &files {
        let content = planted(root, file, &places).with_context(|| file.display().to_string())?;
        write_changed(&tree.join(file), &content)?;
    }
    remove_others(tree, Path::new(""), &files)
}

fn planted(
    root: &Path,
    file: &Path,
    places: &BTreeMap<&str, Vec<Named<'_>>>,
) -> anyhow::Result<Vec<u8>> {
    let content = fs::read(root.join(file))?;
    let places = file.to_str().and_then(|name| places.get(name));
    if file == Path::new("Cargo.toml") {
        return Ok(with_own_version(&String::from_utf8(content)?)?.into_bytes());
    }
    let is_switch = file == Path::new(splice::SWITCH_FILE);
    if places.is_none() && !is_switch {
        return Ok(content);
    }
    let text = String::from_utf8(content)?;
    let mut text = splice::plant(&text, places.map_or(&[], Vec::as_slice))?;
    if is_switch {
        text.push_str(splice::SWITCH);
    }
    Ok(text.into_bytes())
}

/// Gives the workspace another version. Cargo knows a crate of a workspace by its name, its version and
/// its path from the workspace's root: else the copy's would be taken for the repository's own.
fn with_own_version(manifest: &str) -> anyhow::Result<String> {
    let begin = manifest.find("\nversion = \"").context("no version")?;
    let end = manifest.get(begin..).and_then(|rest| rest.find("\"\n"));
    let end = begin + end.context("no end of the version")?;
    let (before, after) = manifest.split_at(end);
    Ok(format!("{before}-planted{after}"))
}

/// Adds every file under `part`, by its path from `root`.
fn list(root: &Path, part: &Path, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let path = root.join(part);
    if !path.is_dir() {
        files.insert(part.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
        list(root, &part.join(entry?.file_name()), files)?;
    }
    Ok(())
}

fn write_changed(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    match fs::read(path) {
        Ok(there) if there == content => return Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| path.display().to_string());
        }
        Ok(_) | Err(_) => {}
    }
    let folder = path.parent().context("a file without a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(path, content).with_context(|| path.display().to_string())
}

/// Removes files of the copy that the repository has no more. Cargo's lock file stays.
fn remove_others(tree: &Path, part: &Path, files: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(tree.join(part))? {
        let entry = entry?;
        let name = part.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(tree, &name, files)?;
        } else if !files.contains(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_has_a_version_of_its_own() -> anyhow::Result<()> {
        let manifest = "[workspace.package]\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        let planted = with_own_version(manifest)?;
        assert!(
            planted.contains("version = \"0.1.0-planted\"\n"),
            "{planted}"
        );
        Ok(())
    }
}
