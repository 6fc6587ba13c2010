//! One instance of a service: its connection, its calls in flight, its ejection state.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tonic::Code;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::{BoxError, Service, ServiceExt};

use super::standing::{Change, Sign, Standing};
use crate::clock;
use crate::deadline::Deadline;
use crate::discovery::Address;

/// A call without an answer for this long has its endpoint probed, unless another call was answered
/// meanwhile. Well below the 3 s that a call between services may take.
const SUSPICIOUS_SILENCE: Duration = Duration::from_millis(500);
/// How long a probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// An instance that calls can be sent to.
pub(super) struct Endpoint {
    upstream: Arc<str>,
    address: Address,
    channel: Channel,
    running: AtomicUsize,
    standing: Mutex<Standing>,
    /// Whether it is queued or being nursed: at most once at a time.
    is_watched: AtomicBool,
    /// Whether it is no longer on the list.
    is_retired: AtomicBool,
    suspects: UnboundedSender<Arc<Self>>,
}

impl Endpoint {
    pub(super) fn new(
        upstream: Arc<str>,
        address: Address,
        channel: Channel,
        suspects: UnboundedSender<Arc<Self>>,
    ) -> Self {
        Self {
            upstream,
            address,
            channel,
            running: AtomicUsize::new(0),
            standing: Mutex::default(),
            is_watched: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            suspects,
        }
    }

    pub(super) const fn address(&self) -> &Address {
        &self.address
    }

    /// The calls in flight.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.standing().is_ejected()
    }

    /// Takes it off the list: probing ends, calls in flight go on.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    /// Makes one call and records how it went.
    pub(super) async fn call(
        self: &Arc<Self>,
        request: Request<Body>,
    ) -> Result<Response<Body>, BoxError> {
        let waiting = Waiting::begin(self);
        let mut channel = self.channel.clone();
        let mut asking = std::pin::pin!(async move { channel.ready().await?.call(request).await });
        let answer = tokio::select! {
            biased;
            answer = &mut asking => answer,
            () = clock::pause(SUSPICIOUS_SILENCE) => {
                waiting.suspect_silence();
                asking.await
            }
        };
        waiting.end(answer.as_ref().map_or(Sign::Broken, sign_of));
        answer.map_err(Into::into)
    }

    /// Nurses a suspect: probes it and, once it is ejected, goes on until it is healthy or retired.
    pub(super) async fn nurse(self: Arc<Self>) {
        if !self.is_ejected() {
            let well = self.is_well().await;
            self.note(if well { Sign::Well } else { Sign::Silent });
        }
        while self.is_ejected() && !self.is_retired.load(Ordering::Relaxed) {
            let rest = self.standing().rest();
            clock::pause(rest).await;
            if self.is_well().await {
                self.note(Sign::Well);
            } else {
                self.standing().note_failed_probe();
            }
        }
        self.is_watched.store(false, Ordering::SeqCst);
        // A call may have ejected it since the last check.
        if self.is_ejected() {
            self.suspect();
        }
    }

    /// Whether the instance says by `grpc.health.v1` that it serves. One without that service is healthy if
    /// it can say so; one that drains says no.
    async fn is_well(&self) -> bool {
        let mut client = HealthClient::new(self.channel.clone());
        let probe = client.check(HealthCheckRequest::default());
        match Deadline::after(PROBE_LIMIT).within(probe).await {
            Ok(Ok(answer)) => answer.into_inner().status() == ServingStatus::Serving,
            Ok(Err(status)) => status.code() == Code::Unimplemented,
            Err(_) => false,
        }
    }

    fn note(&self, sign: Sign) -> Change {
        let change = self.standing().note(sign, Instant::now());
        let (upstream, address) = (&*self.upstream, &self.address);
        match change {
            Change::None => {}
            Change::Ejected => {
                tracing::warn!(upstream, %address, because = ?sign, "endpoint ejected");
                let labels = [("upstream", upstream.to_owned())];
                metrics::counter!("bookstore_endpoint_ejections_total", &labels).increment(1);
            }
            Change::Readmitted => tracing::info!(upstream, %address, "endpoint readmitted"),
        }
        change
    }

    /// Queues it to be nursed, unless it is queued or nursed already.
    fn suspect(self: &Arc<Self>) {
        let is_news = !self.is_watched.swap(true, Ordering::SeqCst);
        if is_news && !self.is_retired.load(Ordering::Relaxed) {
            // Fails only once the balancer itself is gone.
            drop(self.suspects.send(Arc::clone(self)));
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in flight, until it is answered or cancelled.
struct Waiting<'a> {
    endpoint: &'a Arc<Endpoint>,
    since: Instant,
    is_over: bool,
}

impl<'a> Waiting<'a> {
    fn begin(endpoint: &'a Arc<Endpoint>) -> Self {
        endpoint.running.fetch_add(1, Ordering::Relaxed);
        Self {
            endpoint,
            since: Instant::now(),
            is_over: false,
        }
    }

    /// A slow call is not suspicious; an endpoint that has been silent on all calls since this one began is.
    fn suspect_silence(&self) {
        if !self.endpoint.standing().was_heard_since(self.since) {
            self.endpoint.suspect();
        }
    }

    fn end(mut self, sign: Sign) {
        self.is_over = true;
        if self.endpoint.note(sign) == Change::Ejected {
            self.endpoint.suspect();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.endpoint.running.fetch_sub(1, Ordering::Relaxed);
        if !self.is_over {
            // The caller's deadline passed, or it cancelled the call.
            self.suspect_silence();
        }
    }
}

/// A failed call has its status in the headers; a status that follows a message counts as an answer.
fn sign_of(response: &Response<Body>) -> Sign {
    match response
        .headers()
        .get("grpc-status")
        .map(HeaderValue::as_bytes)
    {
        Some(b"14") => Sign::Unavailable,
        Some(b"4") => Sign::Late,
        Some(_) => Sign::Answered,
        // Without a gRPC status, a proxy in between may have answered in plain HTTP.
        None if response.status() == StatusCode::OK => Sign::Answered,
        None => Sign::Unavailable,
    }
}
