//! Commands that run to their end, with a bound on how long.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use platform::clock::pause;

const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a command answered.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Ran {
    /// Fails, showing everything, unless the exit code is `code`.
    ///
    /// # Errors
    /// Another exit code.
    pub fn expect_code(self, code: i32) -> anyhow::Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        bail!(
            "exit code {:?} in place of {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
    }
}

/// Runs `command` to its end, 90 s at most.
///
/// # Errors
/// Where it cannot be started, or does not end.
pub async fn run_to_end(command: Command) -> anyhow::Result<Ran> {
    run_within(command, PATIENCE).await
}

/// Runs `command` to its end, `limit` at most.
///
/// # Errors
/// Where it cannot be started, or does not end.
pub async fn run_within(mut command: Command, limit: Duration) -> anyhow::Result<Ran> {
    // Files rather than pipes: a command that prints much must not wait for a reader.
    let folder = testkit::temp_dir()?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            break None;
        }
        pause(LOOK_EVERY).await;
    };
    let text = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (stdout, stderr) = (text(&out)?, text(&err)?);
    match status {
        Some(status) => Ok(Ran {
            code: status.code(),
            stdout,
            stderr,
        }),
        None => bail!("still running after {limit:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"),
    }
}
