//! The network between the machines: it delays, loses, doubles, reorders and cuts.
//!
//! A call is two messages. The request is delivered by a task of its own, and its handler runs as
//! part of the callee, so a caller that dies or gives up stops nothing; except that a hang-up that is
//! heard drops the handler where it stands, as gRPC servers do.

mod deliver;
mod relay;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::BodyExt;
use platform::clock::pause;
use platform::net::Transport;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;
use tonic::body::Body;
use tower::{BoxError, Service};

use crate::node::{Kind, Life, Place};
use crate::tally::Moment;
use crate::world::{World, spawn};
use deliver::Letter;

/// How long a connection that a broken network swallowed goes unnoticed: two pings' time.
const SILENCE: Duration = Duration::from_secs(4);

/// What a caller hears of a call.
type Answer = Result<Response<Body>, Status>;

/// The way from one place to the replicas of a service.
#[derive(Clone)]
pub(crate) struct Wire {
    world: Arc<World>,
    from: Place,
    /// The life of the calling process; people do not crash.
    life: Option<Life>,
    to: Kind,
}

impl Wire {
    /// The way from a process to a service.
    pub(crate) fn of_process(world: &Arc<World>, life: &Life, to: Kind) -> Transport {
        Transport::new(Self {
            world: Arc::clone(world),
            from: life.place,
            life: Some(life.clone()),
            to,
        })
    }

    /// The way from buyers and operators to a service.
    pub(crate) fn of_people(world: &Arc<World>, to: Kind) -> Transport {
        Transport::new(Self {
            world: Arc::clone(world),
            from: Place::People,
            life: None,
            to,
        })
    }

    /// A replica to ask: mostly one that is up, as a balancer would choose.
    fn choose(&self) -> Place {
        let chance = &self.world.chances.net;
        let all: Vec<_> = self
            .world
            .nodes_of(self.to)
            .map(|node| node.place)
            .collect();
        let up: Vec<_> = self
            .world
            .nodes_of(self.to)
            .filter(|node| node.is_up())
            .map(|node| node.place)
            .collect();
        let careless = chance.happens(self.world.rate(100));
        let among = if careless || up.is_empty() { &all } else { &up };
        chance.pick(among).copied().unwrap_or(Place::People)
    }

    async fn carry(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        if let Some(life) = &self.life {
            life.goes_on().await;
        }
        let (head, body) = request.into_parts();
        let message = body.collect().await?.to_bytes();
        let to = self.choose();
        let number = self.world.calls.fetch_add(1, Ordering::Relaxed);
        let path = head.uri.path().to_owned();
        self.world.trace.tell(format_args!(
            "#{number} {} -> {to} {}",
            self.from,
            method_of(&path)
        ));
        self.world.trace.mark("request", &message);

        let hang_up = CancellationToken::new();
        let (answer, heard) = oneshot::channel();
        let letter = Letter {
            world: Arc::clone(&self.world),
            number,
            from: self.from,
            caller: self.life.clone(),
            to,
            head,
            message,
            hang_up: Some(hang_up.clone()),
        };
        if may_come_twice(&path, &letter.message) {
            self.send_copies(&letter);
        }
        spawn(letter.deliver(Some(answer)));
        let answer = self.hear(heard, hang_up.drop_guard()).await;
        if let Some(life) = &self.life {
            life.goes_on().await;
        }
        answer.map_err(Into::into)
    }

    /// The answer; or, where the message or its answer was lost, a broken connection in the end.
    async fn hear(&self, heard: oneshot::Receiver<Answer>, _hang_up: DropGuard) -> Answer {
        if let Ok(answer) = heard.await {
            return answer;
        }
        pause(SILENCE).await;
        Err(Status::unavailable("the connection broke"))
    }

    /// The same message again: at once, or long after.
    fn send_copies(&self, letter: &Letter) {
        let net = &self.world.plan.net;
        let chance = &self.world.chances.net;
        if !chance.happens(self.world.rate(net.double)) {
            return;
        }
        for _ in 0..chance.between(1, 3) {
            self.world.count(Moment::RequestDoubled);
            let to = if chance.happens(500) {
                letter.to
            } else {
                self.choose()
            };
            let copy = Letter {
                hang_up: None,
                to,
                ..letter.clone()
            };
            spawn(copy.deliver(None));
        }
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().carry(request))
    }
}

/// The last part of a method's path.
fn method_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_stream(path: &str) -> bool {
    method_of(path) == "WatchPayments"
}

/// Whether a second copy of the message is no second wish: reads, and what is idempotent by a key or
/// by nature. A price that comes again later would undo the one that came in between.
fn may_come_twice(path: &str, message: &[u8]) -> bool {
    match method_of(path) {
        "CreateOrder" => decode::<api::order::v1::CreateOrderRequest>(message)
            .is_some_and(|create| !create.idempotency_key.is_empty()),
        "RestockInventory" => decode::<api::inventory::v1::RestockInventoryRequest>(message)
            .is_some_and(|restock| !restock.idempotency_key.is_empty()),
        "ReleaseStock" => decode::<api::inventory::v1::ReleaseStockRequest>(message)
            .is_some_and(|release| !release.idempotency_key.is_empty()),
        // A deduction that was refused leaves nothing behind, not even a fence; its order goes without
        // a trace. Only its sender repeats it, and then knows that a copy may still come.
        "DeductBatches" | "BatchDeductStock" | "PublishBook" | "UpdateBook" | "WatchPayments" => {
            false
        }
        _ => true,
    }
}

/// Reads a gRPC message: a flag, a length, and the message itself.
fn decode<M: prost::Message + Default>(framed: &[u8]) -> Option<M> {
    M::decode(framed.get(5..)?).ok()
}

/// Builds the request anew for one delivery.
fn rebuild(head: &Parts, message: &prost::bytes::Bytes) -> Request<Body> {
    let body = http_body_util::Full::new(message.clone());
    Request::from_parts(head.clone(), Body::new(body))
}
