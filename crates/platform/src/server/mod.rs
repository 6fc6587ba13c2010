//! A service's life: built from its gRPC parts, served on a port or called in process, drained,
//! stopped.
//!
//! What happens around every call is in `shell.rs`: request id, language, deadline, load shedding,
//! panics, metrics, and the statuses that the transport makes by itself.

mod bodies;
mod incoming;
mod methods;
mod shell;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::Service;
use types::Locale;

use crate::clock::SharedClock;
use crate::net::Transport;
use crate::tasks::Tasks;
use incoming::incoming;
use methods::Methods;
use shell::Shell;

/// The largest request, in bytes. The largest legal one, a full `DeductBatches`, has less than a quarter of that.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// How long running calls may take to finish once a drain began.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How long workers and sagas may take to finish after that.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// What every service needs and does not make itself.
#[derive(Clone)]
pub struct ServiceDeps {
    /// Tells the time.
    pub clock: SharedClock,
    /// The language of messages where the caller names none.
    pub locale: Locale,
    /// Whether to apply missing migrations at start.
    pub migrate: bool,
}

/// A service that is up: its calls can be served on a port, or made in process.
pub struct RunningService {
    name: &'static str,
    shell: Shell,
    tasks: Tasks,
    health: HealthReporter,
    served: Arc<[&'static str]>,
    on_stop: BoxFuture<'static, ()>,
}

/// Puts a [`RunningService`] together.
pub struct RunningServiceBuilder {
    name: &'static str,
    tasks: Tasks,
    locale: Locale,
    routes: RoutesBuilder,
    served: Vec<&'static str>,
    on_stop: BoxFuture<'static, ()>,
}

impl RunningService {
    /// Starts to put a service together. `name` labels its metrics and logs.
    pub fn builder(name: &'static str, tasks: Tasks, locale: Locale) -> RunningServiceBuilder {
        RunningServiceBuilder {
            name,
            tasks,
            locale,
            routes: Routes::builder(),
            served: Vec::new(),
            on_stop: Box::pin(async {}),
        }
    }

    /// The service's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// An in-process transport to this service: the same calls, with the same shell around them.
    pub fn transport(&self) -> Transport {
        Transport::new(self.shell.clone())
    }

    /// Serves calls on `listener` until `shutdown`; then lets running calls finish, for 10 s at most.
    pub fn serve(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (name, shell, tasks) = (self.name, self.shell.clone(), self.tasks.clone());
        let (health, served) = (self.health.clone(), Arc::clone(&self.served));
        let signal = shutdown.clone();
        let draining = async move {
            signal.cancelled().await;
            for service in served.iter().chain(&[""]) {
                health
                    .set_service_status(*service, ServingStatus::NotServing)
                    .await;
            }
            tasks.begin_drain();
        };
        async move {
            let incoming = incoming(name, listener, shutdown.clone());
            let serving = transport().serve_with_incoming_shutdown(shell, incoming, draining);
            let limit = async {
                shutdown.cancelled().await;
                crate::clock::pause(DRAIN_LIMIT).await;
            };
            tokio::select! {
                served = serving => {
                    if let Err(error) = served {
                        tracing::error!(service = name, %error, "the server ended");
                    }
                }
                () = limit => {
                    tracing::warn!(service = name, "calls were still running after the drain");
                }
            }
        }
    }

    /// Ends workers, waits for sagas (10 s at most), closes the store. Call it once no more calls come in.
    pub async fn stop(self) {
        if !self.tasks.stop(STOP_LIMIT).await {
            tracing::warn!(service = self.name, "work was still running at the stop");
        }
        self.on_stop.await;
    }
}

/// HTTP/2 with bounds on everything that a caller could make large.
fn transport() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(1024)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(16 * 1024)
        // The default of 20 closes the connection when a calling service cancels a handful of calls at once;
        // a rapid reset attack is still bounded.
        .http2_max_pending_accept_reset_streams(Some(256))
        .initial_connection_window_size(1024 * 1024)
        .initial_stream_window_size(256 * 1024)
}

impl RunningServiceBuilder {
    /// Adds a generated gRPC server; it should bound its requests by [`REQUEST_BYTES_MAX`].
    #[must_use]
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Error = std::convert::Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.served.push(S::NAME);
        self
    }

    /// What is done last: closing the combiners, then the database.
    #[must_use]
    pub fn on_stop(mut self, last: impl Future<Output = ()> + Send + 'static) -> Self {
        self.on_stop = Box::pin(last);
        self
    }

    /// The service, with health and reflection beside its own methods.
    pub async fn build(mut self) -> RunningService {
        let (health, health_service) = tonic_health::server::health_reporter();
        for name in &self.served {
            health
                .set_service_status(*name, ServingStatus::Serving)
                .await;
        }
        self.routes.add_service(health_service);
        // Older clients ask for v1alpha.
        let (v1, v1alpha) = (
            reflection(&self.served).build_v1(),
            reflection(&self.served).build_v1alpha(),
        );
        match (v1, v1alpha) {
            (Ok(v1), Ok(v1alpha)) => {
                self.routes.add_service(v1).add_service(v1alpha);
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "the descriptor set cannot be read: no reflection");
            }
        }
        let methods = Methods::of(self.name, &self.served);
        let routes = self.routes.routes().prepare();
        RunningService {
            name: self.name,
            shell: Shell::new(self.name, self.locale, methods, routes),
            tasks: self.tasks,
            health,
            served: self.served.into(),
            on_stop: self.on_stop,
        }
    }
}

/// Lists the services on this port alone, though one descriptor set describes them all.
fn reflection(served: &[&str]) -> tonic_reflection::server::Builder<'static> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(api::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name("grpc.health.v1.Health");
    served
        .iter()
        .fold(builder, |builder, name| builder.with_service_name(*name))
}
