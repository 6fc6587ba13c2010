//! Logs and metrics of the process.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::routing::get;
use http::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::clock::pause;
use crate::deadline::Deadline;
use crate::process::{self, Process};

/// How long a metrics page may take to arrive.
const PAGE_LIMIT: Duration = Duration::from_secs(2);
/// The largest metrics page that is read, in bytes.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often the samples of histograms are put into their buckets; until then each is kept.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How long a reader of the page may take once a drain began.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// Upper bounds of latency buckets, in seconds.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of batch length buckets.
const LENGTHS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Starts logging to standard error: for people on a terminal, as JSON elsewhere.
///
/// `filter` is a level (`info`) or a list of them by module (`warn,order=debug`). A second start
/// changes nothing.
pub fn start_logs(filter: &str) -> Result<(), String> {
    let filter = read_filter(filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        logs.with_target(false).compact().try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
    // Another start in the same process, as tests make, leaves the first in place.
    drop(started);
    Ok(())
}

/// Refuses a filter that [`start_logs`] would refuse.
pub fn check_filter(filter: &str) -> Result<(), String> {
    read_filter(filter).map(drop)
}

fn read_filter(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| error.to_string())
}

/// The metrics of the process, as Prometheus reads them. Made once; later calls return the same.
pub fn metrics_page() -> Result<Metrics, String> {
    static METRICS: OnceLock<Result<Metrics, String>> = OnceLock::new();
    METRICS.get_or_init(install_metrics).clone()
}

fn install_metrics() -> Result<Metrics, String> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_len".to_owned()), &LENGTHS)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .map(Metrics)
        .map_err(|error| error.to_string())
}

/// Renders the metrics of the process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        if let Some(used) = process::cpu_time(Process::This) {
            metrics::gauge!("bookstore_process_cpu_seconds").set(used.as_secs_f64());
        }
        self.0.render()
    }

    /// Serves `GET /metrics` until `shutdown`, and keeps memory flat even if nobody asks for it.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let recorder = self.0.clone();
        let upkeep = async {
            loop {
                pause(UPKEEP_EVERY).await;
                recorder.run_upkeep();
            }
        };
        let page = get(|State(metrics): State<Self>| async move { metrics.render() });
        let routes = Router::new().route("/metrics", page).with_state(self);
        let late = {
            let shutdown = shutdown.clone();
            async move {
                shutdown.cancelled().await;
                pause(DRAIN_LIMIT).await;
            }
        };
        let served = axum::serve(listener, routes)
            .with_graceful_shutdown(async move { shutdown.cancelled().await });
        tokio::select! {
            served = served.into_future() => {
                if let Err(error) = served {
                    tracing::error!(%error, "the metrics page ended");
                }
            }
            () = upkeep => {}
            // A client that sent half a request must not hold up the stop.
            () = late => {}
        }
    }
}

/// Reads the metrics page that another process serves at `address`, `host:port`.
///
/// # Errors
/// One line that says why there is none.
pub async fn fetch_metrics(address: &str) -> Result<String, String> {
    let fetched = async {
        let uri = Uri::try_from(format!("http://{address}/metrics")).map_err(say)?;
        let client: Client<HttpConnector, Body> =
            Client::builder(TokioExecutor::new()).build_http();
        let answer = client.get(uri).await.map_err(say)?;
        if !answer.status().is_success() {
            return Err(format!("{address} answered {}", answer.status()));
        }
        let body = Body::new(answer.into_body());
        let page = to_bytes(body, PAGE_BYTES_MAX).await.map_err(say)?;
        String::from_utf8(page.into()).map_err(say)
    };
    Deadline::after(PAGE_LIMIT)
        .within(fetched)
        .await
        .map_err(say)?
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_that_is_served_can_be_fetched() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let stop = CancellationToken::new();
        let page = metrics_page()?.serve(listener, stop.clone());
        let reading = async {
            let text = fetch_metrics(&address).await;
            stop.cancel();
            text
        };
        let ((), text) = tokio::join!(page, reading);
        assert!(text?.contains("bookstore_process_cpu_seconds"));
        assert!(fetch_metrics(&address).await.is_err());
        Ok(())
    }
}
