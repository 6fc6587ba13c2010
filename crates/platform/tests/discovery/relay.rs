//! Stands before a server and breaks it as a machine would: gone, or frozen (connected, and silent).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    target: SocketAddr,
    frozen: watch::Sender<bool>,
    running: Option<JoinHandle<()>>,
}

impl Relay {
    /// Passes on everything to `target`, from a port of its own.
    pub(crate) async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let mut relay = Self {
            address: listener.local_addr()?,
            target,
            frozen: watch::Sender::new(false),
            running: None,
        };
        relay.run(listener);
        Ok(relay)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test's own server has no tracker above it"
    )]
    fn run(&mut self, listener: TcpListener) {
        let passing = pass_on(listener, self.target, self.frozen.subscribe());
        self.running = Some(tokio::spawn(passing));
    }

    /// Cuts every connection and refuses new ones.
    pub(crate) async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            assert!(running.await.is_err(), "the relay ended by itself");
        }
    }

    /// Is there again, on the same port.
    pub(crate) async fn revive(&mut self) -> anyhow::Result<()> {
        let listener = testkit::eventually("the port is free again", || async {
            TcpListener::bind(self.address).await.ok()
        })
        .await;
        self.run(listener);
        Ok(())
    }

    /// Takes connections and bytes as before, and passes none on.
    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Passes on what came in the meantime, and goes on.
    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

/// The connections live in the set: they end with whoever runs this.
async fn pass_on(listener: TcpListener, target: SocketAddr, frozen: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let frozen = frozen.clone();
        connections.spawn(async move {
            let Ok(far) = TcpStream::connect(target).await else {
                return;
            };
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            tokio::join!(
                copy(near_in, far_out, frozen.clone()),
                copy(far_in, near_out, frozen),
            );
        });
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: watch::Receiver<bool>) {
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        let thawed = frozen.wait_for(|frozen| !frozen).await.is_ok();
        if !thawed || to.write_all(&chunk[..count]).await.is_err() {
            return;
        }
    }
}
