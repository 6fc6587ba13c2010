//! A real server with one method, which says who answered; and the call of that method.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use platform::deadline::Deadline;
use platform::net::Transport;
use platform::server::RunningService;
use platform::tasks::Tasks;
use testkit::TestServer;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::{Service, ServiceExt};
use types::Locale;

use crate::relay::Relay;

/// As long as a call between services may take.
const CALL_LIMIT: Duration = Duration::from_secs(3);

/// A server behind a relay.
pub(crate) struct Replica {
    pub(crate) relay: Relay,
    pub(crate) server: TestServer,
    /// How many messages reached the method.
    pub(crate) arrived: Arc<AtomicUsize>,
    /// Whether the method answers now.
    pub(crate) answers: Arc<watch::Sender<bool>>,
}

#[derive(Clone)]
struct Echo {
    name: &'static str,
    arrived: Arc<AtomicUsize>,
    answers: Arc<watch::Sender<bool>>,
}

impl Replica {
    pub(crate) async fn start(name: &'static str) -> anyhow::Result<Self> {
        let echo = Echo {
            name,
            arrived: Arc::default(),
            answers: Arc::new(watch::Sender::new(true)),
        };
        let (arrived, answers) = (Arc::clone(&echo.arrived), Arc::clone(&echo.answers));
        let builder = RunningService::builder("echo", Tasks::new(), Locale::En);
        let server = testkit::serve(builder.add_service(echo).build().await).await?;
        Ok(Self {
            relay: Relay::start(server.address).await?,
            server,
            arrived,
            answers,
        })
    }

    /// Where callers find it.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.relay.address
    }

    pub(crate) fn arrived(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
    }

    /// Has the method wait before it answers, or answer again.
    pub(crate) fn set_answering(&self, answers: bool) {
        self.answers.send_replace(answers);
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            this.arrived.fetch_add(1, Ordering::SeqCst);
            let mut answers = this.answers.subscribe();
            // The sender lives as long as this service.
            drop(answers.wait_for(|answers| *answers).await);
            let mut response = Response::new(Body::empty());
            let headers = response.headers_mut();
            headers.insert(
                "content-type",
                http::HeaderValue::from_static("application/grpc"),
            );
            headers.insert("grpc-status", http::HeaderValue::from_static("0"));
            headers.insert("x-replica", http::HeaderValue::from_static(this.name));
            Ok(response)
        })
    }
}

/// Makes one call, as a generated client would; answers the replica's name.
pub(crate) async fn ask(transport: &Transport) -> anyhow::Result<String> {
    let empty_message = axum::body::Body::from(vec![0; 5]);
    let request = Request::post("/test.Echo/Ask")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(empty_message))?;
    let mut transport = transport.clone();
    let call = async { transport.ready().await?.call(request).await };
    let answer = Deadline::after(CALL_LIMIT).within(call).await?;
    let answer = answer.map_err(Status::from_error)?;
    let name = answer.headers().get("x-replica");
    Ok(name.context("no replica's answer")?.to_str()?.to_owned())
}
