//! Calls between services: over TCP to one instance or to several, or straight into a server in the
//! same process.

mod balance;
mod corked;
mod endpoint;
mod lent;
mod standing;

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tonic::body::Body;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

use crate::config::{ConfigError, ServiceUrl};
use crate::context::CallContext;
use crate::crash;
use crate::deadline::Deadline;
use crate::discovery::{Address, Registry, StaticRegistry};
use balance::Balancer;
pub(crate) use corked::Corked;

/// Names the call in logs, from service to service.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// A transport to another service, for generated clients to use.
#[derive(Clone)]
pub struct Transport(BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>);

impl Transport {
    /// A transport to the instances that `url` lists itself; a URL that names a service finds none here, see
    /// [`Transport::discover`].
    pub fn connect(url: &ServiceUrl) -> Result<Self, ConfigError> {
        Self::discover(url, &StaticRegistry::default())
    }

    /// A transport to the instances that `url` lists, or that `registry` knows under the name in it.
    ///
    /// Connections are made when they are first needed, and again whenever they are lost. Calls are
    /// balanced where there can be more than one instance.
    pub fn discover(url: &ServiceUrl, registry: &dyn Registry) -> Result<Self, ConfigError> {
        match url {
            // A single instance leaves nothing to balance.
            ServiceUrl::At(addresses) if addresses.len() == 1 => {
                Ok(Self::new(open_channel(&addresses[0])?))
            }
            ServiceUrl::At(addresses) => {
                Ok(Self::balanced(&url.to_string(), Arc::clone(addresses)))
            }
            ServiceUrl::Named(service) => {
                Ok(Self::new(Balancer::new(service, registry.watch(service))))
            }
        }
    }

    fn balanced(upstream: &str, addresses: Arc<[Address]>) -> Self {
        let registry = StaticRegistry::default().with(upstream, addresses);
        Self::new(Balancer::new(upstream, registry.watch(upstream)))
    }

    /// Any service that speaks gRPC over these bodies.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError> + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Self(BoxCloneSyncService::new(service.map_err(Into::into)))
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

/// A connection to one instance, made when it is first needed.
fn open_channel(address: &Address) -> Result<Channel, ConfigError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| ConfigError::new(address.as_str(), error))?
        // A connection that the network dropped silently never answers; pings find out.
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true);
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_secs(1)));
    let corked = tcp.map_response(|line| TokioIo::new(Corked::new(line.into_inner())));
    Ok(endpoint.connect_with_connector_lazy(corked))
}

/// Why a call to another service failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The service certainly refused the request as it stands, and would refuse a repeat.
    #[error("rejected: {0}")]
    Rejected(Status),
    /// The outcome is unknown: the request may have been carried out, or may yet be.
    #[error("no answer: {reason}")]
    Unknown {
        /// What is known of the cause.
        reason: String,
        /// Whether it was the deadline that ended the wait.
        late: bool,
    },
}

/// Makes one call: with the caller's request id and language, and a deadline that is the earlier of
/// `cap` from now and the caller's own.
pub async fn call<M, R, C, F>(
    context: &CallContext,
    cap: Duration,
    message: M,
    client: C,
) -> Result<R, CallError>
where
    C: FnOnce(tonic::Request<M>) -> F,
    F: Future<Output = Result<tonic::Response<R>, Status>>,
{
    let deadline = Deadline::after(cap).earlier(context.deadline);
    let mut request = tonic::Request::new(message);
    request.set_timeout(deadline.remaining());
    if let Ok(id) = context.request_id.parse() {
        request.metadata_mut().insert(REQUEST_ID, id);
    }
    let language = MetadataValue::from_static(context.locale.tag());
    request.metadata_mut().insert("accept-language", language);
    let calling = deadline.within(client(request));
    match crash::around(crash::message_name::<M>(), calling).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(of_status(status)),
        Err(passed) => Err(CallError::Unknown {
            reason: passed.to_string(),
            late: true,
        }),
    }
}

fn of_status(status: Status) -> CallError {
    let reason = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Unauthenticated => CallError::Rejected(status),
        Code::DeadlineExceeded => CallError::Unknown { reason, late: true },
        // OUT_OF_RANGE is this side's own word for an answer that is too large to be read.
        Code::OutOfRange
        | Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => CallError::Unknown {
            reason,
            late: false,
        },
    }
}

#[cfg(test)]
mod tests {
    //! Proves how long a call waits, what it tells the other side, and what its answers mean.

    use std::future::pending;

    use super::*;

    /// Makes a call that is never answered; returns the timeout that it carried, in milliseconds.
    async fn call_in_vain(patience: Duration, cap: Duration) -> u64 {
        let context = CallContext::background("test", patience);
        let mut told = None;
        let answer: Result<(), _> = call(&context, cap, (), |request| {
            told = request.metadata().get("grpc-timeout").cloned();
            pending()
        })
        .await;
        assert!(matches!(answer, Err(CallError::Unknown { late: true, .. })));
        let told = told.unwrap();
        let (digits, unit) = told.to_str().unwrap().split_at(told.len() - 1);
        let per_milli = match unit {
            "n" => 1_000_000,
            "u" => 1_000,
            _ => 1,
        };
        digits.parse::<u64>().unwrap() / per_milli
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_the_earlier_of_its_own_limit_and_its_callers_deadline() {
        for (patience_ms, cap_ms) in [(400, 3_000), (3_000, 400)] {
            let started = tokio::time::Instant::now();
            let (patience, cap) = (
                Duration::from_millis(patience_ms),
                Duration::from_millis(cap_ms),
            );
            let told_ms = call_in_vain(patience, cap).await;
            let waited = started.elapsed();
            assert!(
                told_ms <= 400,
                "told {told_ms} ms of {patience_ms} and {cap_ms}"
            );
            assert!(waited < Duration::from_millis(500), "waited {waited:?}");
        }
    }

    #[test]
    fn only_a_word_against_the_request_itself_is_certain() {
        use Code::{
            Aborted, AlreadyExists, Cancelled, DataLoss, DeadlineExceeded, FailedPrecondition,
            Internal, InvalidArgument, NotFound, OutOfRange, PermissionDenied, ResourceExhausted,
            Unauthenticated, Unavailable, Unimplemented, Unknown,
        };
        let certain = [
            InvalidArgument,
            NotFound,
            AlreadyExists,
            PermissionDenied,
            FailedPrecondition,
            Unimplemented,
            Unauthenticated,
        ];
        let open = [
            Aborted,
            Cancelled,
            DataLoss,
            DeadlineExceeded,
            Internal,
            OutOfRange,
            ResourceExhausted,
            Unavailable,
            Unknown,
        ];
        for code in certain {
            let error = of_status(Status::new(code, ""));
            assert!(matches!(error, CallError::Rejected(_)), "{code:?}");
        }
        for code in open {
            let CallError::Unknown { late, .. } = of_status(Status::new(code, "")) else {
                panic!("{code:?} says nothing for certain");
            };
            assert_eq!(late, code == DeadlineExceeded, "{code:?}");
        }
    }
}
