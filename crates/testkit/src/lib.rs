//! For tests only: a folder and a database a test, running services with real clients, waiting for conditions.
//!
//! Never part of the program. Tests wait with [`eventually`]; nothing in them sleeps.

#![expect(clippy::panic, reason = "a test helper fails by panicking")]

mod ports;
pub mod proxy;
pub mod servers;
mod stores;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

pub use ports::free_port;
pub use stores::{TestDatabase, redis_of_this_run};

use anyhow::Context;
use platform::clock::pause;
use platform::server::RunningService;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// How long a condition may take to come true before its test fails, unless `BOOKSTORE_TEST_PATIENCE` says
/// how many seconds: less, where most conditions are expected never to come true.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A new empty folder that goes with the test.
pub fn temp_dir() -> anyhow::Result<TempDir> {
    TempDir::with_prefix("bookstore-test-").context("cannot make a temporary folder")
}

fn patience() -> Duration {
    let told = std::env::var_os("BOOKSTORE_TEST_PATIENCE");
    let seconds = told.and_then(|text| text.to_str()?.parse().ok());
    seconds.map_or(PATIENCE, Duration::from_secs)
}

/// Looks again and again until `probe` finds what it looks for.
///
/// # Panics
/// With `what`, where it did not come true in time.
pub async fn eventually<T, F>(what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let looking = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            pause(LOOK_EVERY).await;
        }
    };
    let found = tokio::time::timeout(patience(), looking).await;
    found.unwrap_or_else(|_| panic!("never came true: {what}"))
}

/// A service on a real port, with a real client's channel to it.
pub struct TestServer {
    /// A connection to the service.
    pub channel: Channel,
    /// Where it listens.
    pub address: SocketAddr,
    shutdown: CancellationToken,
    served: Option<JoinHandle<()>>,
}

/// Serves `running` on a free port until the answer is dropped or stopped.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's own server has no tracker above it"
)]
pub async fn serve(running: RunningService) -> anyhow::Result<TestServer> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let served = tokio::spawn(async move {
        running.serve(listener, stop).await;
        running.stop().await;
    });
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    Ok(TestServer {
        channel,
        address,
        shutdown,
        served: Some(served),
    })
}

impl TestServer {
    /// Drains and stops the service, as a signal would, and waits until its store is closed.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        // The drain waits for open connections; ours is idle and closes by itself.
        if let Some(served) = self.served.take() {
            served.await.context("the server died")?;
        }
        Ok(())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
