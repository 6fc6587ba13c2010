//! One copy of a request on its way, and its answer on the way back.

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use http::request::Parts;
use http_body_util::{BodyExt, Full};
use platform::clock::pause;
use platform::net::Transport;
use prost::bytes::Bytes;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use super::{Answer, is_stream, rebuild, relay};
use crate::node::{Life, Place};
use crate::tally::Moment;
use crate::world::World;

/// A request on its way.
#[derive(Clone)]
pub(super) struct Letter {
    pub(super) world: Arc<World>,
    pub(super) number: u64,
    pub(super) from: Place,
    pub(super) caller: Option<Life>,
    pub(super) to: Place,
    pub(super) head: Parts,
    pub(super) message: Bytes,
    /// Tells when the caller went away; a copy that nobody waits for has none.
    pub(super) hang_up: Option<CancellationToken>,
}

/// Who works on the request now.
struct Callee {
    life: Life,
    transport: Transport,
    calls: Arc<AtomicUsize>,
}

/// How the handler ended.
enum Handled {
    Answered(Response<Body>),
    Died,
    HungUp,
}

impl Letter {
    /// Carries the request to its handler and the answer back to whoever waits for it. Where either
    /// is lost, the answer's sender is dropped: silence.
    pub(super) async fn deliver(self, answer: Option<oneshot::Sender<Answer>>) {
        self.world.under_way.fetch_add(1, Ordering::Relaxed);
        let world = Arc::clone(&self.world);
        self.carry(answer).await;
        world.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    async fn carry(self, answer: Option<oneshot::Sender<Answer>>) {
        let plan = &self.world.plan.net;
        pause(self.way()).await;
        if self.loses(plan.lose_request) || !self.world.passes(self.from, self.to) {
            self.world.count(Moment::RequestLost);
            self.tell("request lost");
            return;
        }
        let Some(callee) = self.callee() else {
            self.tell("refused: nobody there");
            pause(self.way()).await;
            reply(answer, Err(Status::unavailable("connection refused")));
            return;
        };
        callee.calls.fetch_add(1, Ordering::Relaxed);
        let handled = self.handle(&callee).await;
        callee.calls.fetch_sub(1, Ordering::Relaxed);
        match handled {
            Handled::Answered(response) => self.bring_back(response, &callee.life, answer).await,
            Handled::HungUp => {
                self.world.count(Moment::HandlerDropped);
                self.tell("handler dropped");
            }
            Handled::Died => {
                self.tell("callee died");
                pause(self.way()).await;
                // A process that dies closes its connections; a machine that dies does not.
                if self.world.chances.net.happens(700) {
                    reply(answer, Err(Status::unavailable("the connection was reset")));
                }
            }
        }
    }

    /// How long one way takes, this time.
    pub(super) fn way(&self) -> Duration {
        let plan = &self.world.plan.net;
        let chance = &self.world.chances.net;
        if chance.happens(self.world.rate(plan.late)) {
            self.world.count(Moment::RequestLate);
            return chance.millis(plan.late_ms_max / 4, plan.late_ms_max);
        }
        self.latency()
    }

    /// How long one way takes where nothing is late.
    pub(super) fn latency(&self) -> Duration {
        self.world
            .chances
            .net
            .millis(0, self.world.plan.net.latency_ms_max)
    }

    fn loses(&self, rate: u64) -> bool {
        self.world.chances.net.happens(self.world.rate(rate))
    }

    pub(super) fn tell(&self, what: &str) {
        let number = self.number;
        self.world
            .trace
            .tell(format_args!("#{number} {what} ({})", self.to));
    }

    fn callee(&self) -> Option<Callee> {
        let running = self.world.node(self.to)?.running();
        running.as_ref().map(|running| Callee {
            life: running.life.clone(),
            transport: running.transport.clone(),
            calls: Arc::clone(&running.calls),
        })
    }

    async fn handle(&self, callee: &Callee) -> Handled {
        let request = rebuild(&self.head, &self.message);
        let mut transport = callee.transport.clone();
        let answered = async move {
            match transport.ready().await {
                Ok(ready) => ready.call(request).await,
                Err(error) => Err(error),
            }
        };
        tokio::select! {
            biased;
            () = callee.life.over() => Handled::Died,
            () = self.hung_up() => Handled::HungUp,
            answered = answered => match answered {
                Ok(response) => Handled::Answered(response),
                Err(error) => Handled::Answered(Status::from_error(error).into_http()),
            },
        }
    }

    /// Comes when the callee hears that its caller hung up or died; never where it does not hear.
    async fn hung_up(&self) {
        match (&self.hang_up, &self.caller) {
            (None, _) => pending().await,
            (Some(hang_up), None) => hang_up.cancelled().await,
            (Some(hang_up), Some(caller)) => {
                tokio::select! {
                    biased;
                    () = hang_up.cancelled() => {}
                    () = caller.over() => {}
                }
            }
        }
        pause(self.way()).await;
        let heard = self
            .world
            .chances
            .net
            .happens(self.world.plan.net.hang_up_heard);
        if !heard || !self.world.passes(self.from, self.to) {
            pending::<()>().await;
        }
    }

    async fn bring_back(
        self,
        response: Response<Body>,
        life: &Life,
        answer: Option<oneshot::Sender<Answer>>,
    ) {
        if is_stream(self.head.uri.path()) && response.headers().get("grpc-status").is_none() {
            pause(self.way()).await;
            if let Some(answer) = answer {
                // A stream has no end that could be waited for.
                self.world.under_way.fetch_sub(1, Ordering::Relaxed);
                relay::run(&self, response, life, answer).await;
                self.world.under_way.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let (head, body) = response.into_parts();
        // A unary answer is in memory already.
        let Ok(body) = body.collect().await else {
            self.tell("answer broken off");
            return;
        };
        let trailers = body.trailers().cloned();
        let bytes = body.to_bytes();
        let status = head.headers.get("grpc-status");
        let status = status.or_else(|| trailers.as_ref()?.get("grpc-status"));
        let status = status.map_or(&b"?"[..], http::HeaderValue::as_bytes);
        let status = String::from_utf8_lossy(status).into_owned();
        self.tell(&format!("answered {status}"));
        self.world.trace.mark("answer", &bytes);
        pause(self.way()).await;
        if self.loses(self.world.plan.net.lose_reply) || !self.world.passes(self.to, self.from) {
            self.world.count(Moment::ReplyLost);
            self.tell("reply lost");
            return;
        }
        let body = Full::new(bytes).with_trailers(ready(trailers.map(Ok)));
        reply(answer, Ok(Response::from_parts(head, Body::new(body))));
    }
}

/// Tells whoever waits, where anybody still does.
fn reply(answer: Option<oneshot::Sender<Answer>>, what: Answer) {
    if let Some(answer) = answer {
        drop(answer.send(what));
    }
}
