//! Ctrl-C and SIGTERM: during a start they end it; later the first ends the work in good order, the second
//! at once.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was told twice to stop, and of whom Ctrl-C ends.
const INTERRUPTED: u8 = 130;
/// The exit code of whom SIGTERM ends.
const TERMINATED: u8 = 143;

/// Listens for the signals that end a process.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// What is said at the signals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    /// At the first.
    pub(crate) ending: &'static str,
    /// At the second.
    pub(crate) broken_off: &'static str,
    /// How: servers log it, other commands tell whoever sits at the terminal.
    pub(crate) say: fn(&str),
}

impl Words {
    /// Those of a server.
    pub(crate) const DRAIN: Self = Self {
        ending: "draining: running calls finish, nothing new is taken",
        broken_off: "stopped in the midst of a drain; recovery runs at the next start",
        say: |words| tracing::info!("{words}"),
    };
}

impl Signals {
    /// Takes the signals over from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal; answers the exit code of whom it ends.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => TERMINATED,
        }
    }

    /// Runs `start` to its end. `Err` where a signal came first: the exit code.
    ///
    /// The start is then cut off where it is: it is the same as a crash, which every start gets over.
    pub(crate) async fn within<T>(
        &mut self,
        start: impl Future<Output = T>,
    ) -> Result<T, ExitCode> {
        tokio::select! {
            started = start => Ok(started),
            code = self.next() => {
                tracing::info!("stopped before it was ready");
                Err(ExitCode::from(code))
            }
        }
    }

    /// Runs `work` to its end: the first signal fires `shutdown`, a second one gives up on it.
    pub(crate) async fn guard(
        mut self,
        words: Words,
        shutdown: CancellationToken,
        work: impl Future<Output = ()>,
    ) -> ExitCode {
        let impatience = async {
            self.next().await;
            (words.say)(words.ending);
            shutdown.cancel();
            self.next().await;
        };
        tokio::select! {
            () = work => ExitCode::SUCCESS,
            () = impatience => {
                (words.say)(words.broken_off);
                ExitCode::from(INTERRUPTED)
            }
        }
    }
}
