//! Ctrl-C and SIGTERM: the first drains, the second ends at once.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was told twice to stop.
const IMPATIENT: u8 = 130;

/// Listens for the signals that end a server.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
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

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Runs `server` to its end: the first signal fires `shutdown`, a second one gives up on it.
    pub(crate) async fn guard(
        mut self,
        shutdown: CancellationToken,
        server: impl Future<Output = ()>,
    ) -> ExitCode {
        let impatience = async {
            self.next().await;
            tracing::info!("draining: running calls finish, nothing new is taken");
            shutdown.cancel();
            self.next().await;
        };
        tokio::select! {
            () = server => ExitCode::SUCCESS,
            () = impatience => {
                tracing::warn!("stopped in the midst of a drain; recovery runs at the next start");
                ExitCode::from(IMPATIENT)
            }
        }
    }
}
