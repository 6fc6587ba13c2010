//! Calls on their way: repeated, refused, lost, silent, late.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Bytes, to_bytes};
use futures::future::{BoxFuture, join};
use http::{Request, Response, request};
use platform::net::Transport;
use tonic::Status;
use tonic::body::Body;
use tower::{BoxError, Service, ServiceExt};

use crate::plan::{Plan, Treatment, silence};
use crate::step::{Method, Step};

/// Where a service is now: another place after a restart.
#[derive(Clone)]
pub(crate) struct Door(Arc<Mutex<Transport>>);

impl Door {
    pub(crate) fn to(transport: Transport) -> Self {
        Self(Arc::new(Mutex::new(transport)))
    }

    pub(crate) fn move_to(&self, transport: Transport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = transport;
    }

    async fn enter(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let transport = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        transport.oneshot(request).await
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    /// A buyer or an operator.
    Person,
    /// The order service.
    Order,
}

/// The way to a service, with the plan's faults on it.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) caller: Caller,
    pub(crate) door: Door,
    pub(crate) plan: Arc<Plan>,
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let wire = self.clone();
        Box::pin(async move {
            wire.plan.travel().await;
            let response = wire.carry(request).await?;
            wire.plan.travel().await;
            Ok(response)
        })
    }
}

impl Wire {
    async fn carry(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let Some(method) = Method::of_path(request.uri().path()) else {
            return self.door.enter(request).await;
        };
        let step = match self.caller {
            Caller::Person => Step::Asked(method),
            Caller::Order => Step::Upstream(method),
        };
        let answer = match self.plan.pass(step) {
            None => self.door.enter(request).await?,
            Some(treatment) => {
                let letter = Letter::read(request).await?;
                self.treat(treatment, method, letter).await?
            }
        };
        self.plan.deliver_after(method).await;
        Ok(answer)
    }

    async fn treat(
        &self,
        treatment: Treatment,
        method: Method,
        letter: Letter,
    ) -> Result<Response<Body>, BoxError> {
        let send = || self.door.enter(letter.copy());
        match treatment {
            Treatment::Repeated => {
                drop(send().await?);
                send().await
            }
            Treatment::Doubled => {
                let (first, second) = join(send(), send()).await;
                first.and(second)
            }
            Treatment::Refused => Ok(Status::failed_precondition("refused on the way").into_http()),
            Treatment::LostRequest => Ok(lost()),
            Treatment::LostReply => {
                drop(send().await?);
                Ok(lost())
            }
            Treatment::Silence => {
                drop(send().await?);
                silence().await
            }
            Treatment::Late | Treatment::AfterItsUndoing => {
                let undoing = method
                    .undone_by()
                    .filter(|_| treatment == Treatment::AfterItsUndoing);
                let door = self.door.clone();
                self.plan.hold(undoing, async move {
                    // What a late call is answered nobody hears any more.
                    drop(door.enter(letter.copy()).await);
                });
                Ok(lost())
            }
            Treatment::Forgotten => Err("no call is said to be done by somebody else".into()),
        }
    }
}

fn lost() -> Response<Body> {
    Status::unavailable("lost on the way").into_http()
}

/// A call that can be sent any number of times.
struct Letter {
    head: request::Parts,
    body: Bytes,
}

impl Letter {
    async fn read(request: Request<Body>) -> Result<Self, BoxError> {
        let (head, body) = request.into_parts();
        let body = to_bytes(axum::body::Body::new(body), usize::MAX).await?;
        Ok(Self { head, body })
    }

    fn copy(&self) -> Request<Body> {
        let body = axum::body::Body::from(self.body.clone());
        Request::from_parts(self.head.clone(), Body::new(body))
    }
}
