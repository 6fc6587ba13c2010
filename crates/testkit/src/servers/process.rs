use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// Runs the server in the background until its standard input closes: it goes with this process,
/// however that ends. Its folder, where one is named, goes with it.
const TETHER: &str = r#""$@" </dev/null & server=$!; cat >/dev/null; kill -9 $server; wait $server
    [ -z "$0" ] || rm -rf "$0""#;

/// A server process that does not outlive this one.
pub(super) struct Tethered {
    child: Child,
}

impl Tethered {
    /// Starts `program`; what it prints goes to `log`.
    pub(super) fn start<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        Self::start_in(Path::new(""), program, args, log)
    }

    /// Starts `program`, and has `folder` removed after it: for servers that are held to the end of
    /// the process, when nothing is dropped any more.
    pub(super) fn start_in<A: AsRef<OsStr>>(
        folder: &Path,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = std::fs::File::create(log)?;
        let child = Command::new("sh")
            .args(["-c", TETHER])
            .arg(folder)
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child })
    }
}

impl Drop for Tethered {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            super::tell(&format!("a test's server: {error}"));
        }
    }
}

/// Finds the first of `names` on the path, or where servers are installed.
pub(super) fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = platform::config::variable("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let candidates: Vec<_> = folders.collect();
    names.iter().find_map(|name| {
        candidates
            .iter()
            .map(|folder| folder.join(name))
            .find(|program| program.is_file())
    })
}
