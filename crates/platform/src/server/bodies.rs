//! Bodies with bounds on how long they may take.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tonic::body::Body;

use crate::clock::pause;

/// How long a request may take to arrive once somebody waits for the rest of it.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(5);

/// A request that has to arrive in time: a caller who sends headers alone must not keep its turn.
pub(super) struct Prompt {
    body: Body,
    patience: Option<BoxFuture<'static, ()>>,
}

impl Prompt {
    pub(super) fn body(body: Body) -> Body {
        Body::new(Self {
            body,
            patience: None,
        })
    }
}

impl http_body::Body for Prompt {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            return frame;
        }
        // Most requests are there at once, and never come here.
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(pause(ARRIVAL_LIMIT)));
        patience.as_mut().poll(cx).map(|()| {
            let late = Status::deadline_exceeded("the request did not arrive in time");
            Some(Err(late))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer that keeps its call's turn until it is read: a caller who reads nothing must not be answered without
/// end.
pub(super) struct Held {
    body: Body,
    _turn: OwnedSemaphorePermit,
}

impl Held {
    pub(super) fn body(body: Body, turn: OwnedSemaphorePermit) -> Body {
        Body::new(Self { body, _turn: turn })
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
