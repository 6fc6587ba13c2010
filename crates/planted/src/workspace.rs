//! Where the repository and its build artifacts are, by cargo's own word.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// The two folders that everything else is derived from.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    /// The root of the repository.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo builds; the copy lives below it and shares what was built of other people's crates.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// The copy in which faults are planted.
    pub(crate) fn tree(&self) -> PathBuf {
        self.target.join("planted").join("tree")
    }

    /// Where the output of every run is kept.
    pub(crate) fn logs(&self) -> PathBuf {
        self.target.join("planted").join("logs")
    }
}

/// Asks cargo.
pub(crate) fn find() -> anyhow::Result<Workspace> {
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .context("cannot run cargo")?;
    let complaint = String::from_utf8_lossy(&told.stderr);
    ensure!(told.status.success(), "cargo metadata: {complaint}");
    serde_json::from_slice(&told.stdout).context("cargo metadata")
}
