//! Spreads calls over the instances of a service.
//!
//! Each call goes to the instance with the fewest calls in flight, round robin on a tie; an ejected one is
//! picked only if no other is left ([`super::standing`] says when one is ejected). An attempt that failed
//! before its message was taken ([`super::lent`]) goes to the other instances, once to each; any other failure
//! is the caller's, who alone knows what a repeat would do.
//! Why not tonic's own balancer: docs/adr/0015-own-balancer-and-registry.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use http::{Request, Response};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::ConnectError;
use tonic::body::Body;
use tower::{BoxError, Service};

use super::endpoint::Endpoint;
use super::lent::lend;
use super::open_channel;
use crate::deadline::Deadline;
use crate::discovery::{Address, Addresses};
use crate::tasks::Tasks;

/// How long a call waits for a first instance to be known.
const WAIT_FOR_ONE: Duration = Duration::from_secs(1);

type Endpoints = Arc<[Arc<Endpoint>]>;

/// A service of several instances, as one.
#[derive(Clone)]
pub(super) struct Balancer {
    picker: Arc<Picker>,
    /// Ends the supervisor with the last clone.
    _supervised: Arc<DropGuard>,
}

/// There is no instance to send a call to.
#[derive(Debug, thiserror::Error)]
#[error("no instance of {0} is known")]
struct NobodyKnown(Arc<str>);

struct Picker {
    upstream: Arc<str>,
    endpoints: watch::Receiver<Endpoints>,
    turn: AtomicUsize,
}

impl Balancer {
    /// Balances over `addresses` as they change; `upstream` names the service in logs and metrics.
    pub(super) fn new(upstream: &str, addresses: Addresses) -> Self {
        let upstream: Arc<str> = upstream.into();
        let (suspects, suspected) = mpsc::unbounded_channel();
        let (known, endpoints) = watch::channel(Endpoints::default());
        let mut supervisor = Supervisor {
            upstream: Arc::clone(&upstream),
            addresses,
            suspects,
            known,
        };
        supervisor.take_list();
        let end = CancellationToken::new();
        let ended = end.clone();
        Tasks::new().spawn("balance", async move {
            ended.run_until_cancelled(supervisor.run(suspected)).await;
        });
        Self {
            picker: Arc::new(Picker {
                upstream,
                endpoints,
                turn: AtomicUsize::new(0),
            }),
            _supervised: Arc::new(end.drop_guard()),
        }
    }
}

impl Service<Request<Body>> for Balancer {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let picker = Arc::clone(&self.picker);
        Box::pin(async move { picker.carry(request).await })
    }
}

impl Picker {
    async fn carry(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let endpoints = self.wait_for_one().await?;
        let (head, mut body) = request.into_parts();
        let mut tried = Vec::new();
        while let Some(turn) = self.pick(&endpoints, &tried) {
            tried.push(turn);
            let (lender, lent) = lend(body);
            let attempt = Request::from_parts(head.clone(), Body::new(lent));
            let error = match endpoints[turn].call(attempt).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match lender.take_back() {
                Some(untouched) if tried.len() < endpoints.len() => {
                    tracing::debug!(upstream = %self.upstream, %error, "trying another endpoint");
                    body = untouched;
                }
                _ => return Err(error),
            }
        }
        Err(self.nobody())
    }

    async fn wait_for_one(&self) -> Result<Endpoints, BoxError> {
        let known = Arc::clone(&self.endpoints.borrow());
        if !known.is_empty() {
            return Ok(known);
        }
        let mut endpoints = self.endpoints.clone();
        let waiting = Deadline::after(WAIT_FOR_ONE)
            .within(endpoints.wait_for(|endpoints| !endpoints.is_empty()));
        match waiting.await {
            Ok(Ok(known)) => Ok(Arc::clone(&known)),
            Ok(Err(_)) | Err(_) => Err(self.nobody()),
        }
    }

    /// UNAVAILABLE to the caller: nothing was sent.
    fn nobody(&self) -> BoxError {
        let error = NobodyKnown(Arc::clone(&self.upstream));
        ConnectError(error.into()).into()
    }

    fn pick(&self, endpoints: &[Arc<Endpoint>], tried: &[usize]) -> Option<usize> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % endpoints.len().max(1);
        let in_turn = (first..endpoints.len()).chain(0..first);
        in_turn
            .filter(|place| !tried.contains(place))
            .min_by_key(|place| (endpoints[*place].is_ejected(), endpoints[*place].running()))
    }
}

/// Follows the list of instances, and has suspects nursed.
struct Supervisor {
    upstream: Arc<str>,
    addresses: Addresses,
    suspects: mpsc::UnboundedSender<Arc<Endpoint>>,
    known: watch::Sender<Endpoints>,
}

impl Supervisor {
    async fn run(mut self, mut suspected: mpsc::UnboundedReceiver<Arc<Endpoint>>) {
        let mut nursed = FuturesUnordered::new();
        let mut can_change = true;
        loop {
            tokio::select! {
                changed = self.addresses.changed(), if can_change => {
                    // Without a sender the list stays as it is.
                    can_change = changed.is_ok();
                    self.take_list();
                }
                Some(suspect) = suspected.recv() => nursed.push(suspect.nurse()),
                Some(()) = nursed.next(), if !nursed.is_empty() => {}
            }
        }
    }

    /// Brings the endpoints in line with the list. Those that stay keep their connection and their standing.
    fn take_list(&mut self) {
        let wanted = Arc::clone(&self.addresses.borrow_and_update());
        let before = Arc::clone(&self.known.borrow());
        let keep_or_open = |address: &Address| {
            let kept = before.iter().find(|endpoint| endpoint.address() == address);
            kept.map_or_else(|| self.open(address), |endpoint| Some(Arc::clone(endpoint)))
        };
        let after: Endpoints = wanted.iter().filter_map(keep_or_open).collect();
        let is_gone = |endpoint: &&Arc<Endpoint>| !wanted.contains(endpoint.address());
        for endpoint in before.iter().filter(is_gone) {
            endpoint.retire();
        }
        self.known.send_replace(after);
    }

    fn open(&self, address: &Address) -> Option<Arc<Endpoint>> {
        let upstream = Arc::clone(&self.upstream);
        match open_channel(address) {
            Ok(channel) => {
                let suspects = self.suspects.clone();
                Some(Arc::new(Endpoint::new(
                    upstream,
                    address.clone(),
                    channel,
                    suspects,
                )))
            }
            Err(error) => {
                tracing::error!(%upstream, %address, %error, "no endpoint can be made of it");
                None
            }
        }
    }
}
