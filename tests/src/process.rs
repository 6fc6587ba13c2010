//! One process of the program: started, watched, signalled, killed.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use platform::clock::pause;
use platform::process::resident_kib;

/// How long a process may take to be ready, or to end.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A child that dies with this value.
pub(crate) struct Process {
    child: Child,
    stdout: PathBuf,
}

impl Process {
    /// Starts `command`: stdout into a file of its own, stderr appended to the shop's log.
    pub(crate) fn spawn(command: &mut Command, stdout: &Path, log: &Path) -> anyhow::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(stdout)?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self {
            child,
            stdout: stdout.to_path_buf(),
        })
    }

    /// Waits until the process has said that it is ready; answers what it printed.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<String> {
        let started = Instant::now();
        loop {
            let said = std::fs::read_to_string(&self.stdout)?;
            // The line of the metrics page is the last that every announcement has.
            if said.contains("/metrics\n") {
                return Ok(said);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("ended before it was ready: {status}");
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "not ready after {PATIENCE:?}: {said:?}"
            );
            pause(LOOK_EVERY).await;
        }
    }

    /// SIGKILL: no drain, no goodbye.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal by its name, as `TERM`.
    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        // The shell's own `kill` is everywhere; std can only send SIGKILL.
        let order = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &order]).status()?;
        ensure!(status.success(), "cannot send SIG{name}");
        Ok(())
    }

    /// How the process ended, if it has.
    pub(crate) fn status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// The memory that it holds, in KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        resident_kib(platform::process::Process::Id(self.child.id())).context("no such process")
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "still running after {PATIENCE:?}"
            );
            pause(LOOK_EVERY).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell.
        drop(self.kill());
    }
}
