//! Finds the program under test, and builds it where it is missing or older than its sources.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};

/// Names another binary to test: a release build, or one from elsewhere.
const BINARY: &str = "BOOKSTORE_TEST_BIN";

/// The path of the `bookstore` binary.
///
/// `BOOKSTORE_TEST_BIN` where it is set; else the one that cargo put beside this test, brought up
/// to date by `cargo build` first if it is not.
///
/// # Errors
/// Where there is no such binary and none can be built.
pub fn program() -> anyhow::Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| {
        let found = match setting(BINARY) {
            Some(given) => take_given(PathBuf::from(given)),
            None => find(&["--bin", "bookstore"]),
        };
        found.map_err(|error| format!("{error:#}"))
    });
    match found {
        Ok(path) => Ok(path),
        Err(reason) => anyhow::bail!("no program to test: {reason}"),
    }
}

/// The path of the same program with crash points, brought up to date as [`program`] is.
///
/// # Errors
/// Where it cannot be built.
pub fn program_with_crash_points() -> anyhow::Result<PathBuf> {
    const BUILD: [&str; 4] = [
        "--bin",
        "bookstore-crash-points",
        "--features",
        "crash-points",
    ];
    find(&BUILD)
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Reads a `BOOKSTORE_TEST_…` variable; `None` where it is not set.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests' own settings are read here alone"
)]
pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads a `BOOKSTORE_TEST_…` variable as a number.
pub fn setting_number(name: &str, default: u32) -> u32 {
    setting(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn take_given(path: PathBuf) -> anyhow::Result<PathBuf> {
    ensure!(path.is_file(), "{BINARY}={} is not a file", path.display());
    Ok(path)
}

/// Finds the binary that `cargo build` makes of these arguments, `--bin NAME` first.
fn find(arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let [_, name, ..] = arguments else {
        bail!("{arguments:?} name no binary");
    };
    // target/debug/deps/transcript-0123 -> target/debug
    let test = std::env::current_exe()?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("the test is in no target folder")?;
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !is_fresh(&program) {
        build(folder, arguments)?;
    }
    ensure!(program.is_file(), "{} was not built", program.display());
    Ok(program)
}

/// Whether the binary is at least as new as every file that went into it, by cargo's own list.
fn is_fresh(program: &Path) -> bool {
    let Some(built) = modified(program) else {
        return false;
    };
    let Ok(list) = std::fs::read_to_string(program.with_extension("d")) else {
        return false;
    };
    let Some((_, sources)) = list.split_once(": ") else {
        return false;
    };
    // A blank inside a path is written as `\ `.
    let sources = sources.trim().replace("\\ ", "\0");
    sources
        .split(' ')
        .map(|path| path.replace('\0', " "))
        .all(|path| modified(Path::new(&path)).is_some_and(|at| at <= built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|data| data.modified()).ok()
}

fn build(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let target = folder.parent().context("no target folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "bookstore"])
        .args(arguments)
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(repository())
        .status()
        .context("cannot run cargo")?;
    ensure!(
        status.success(),
        "`cargo build --package bookstore {}` failed",
        arguments.join(" ")
    );
    Ok(())
}
