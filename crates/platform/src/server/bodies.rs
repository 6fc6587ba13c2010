//! Bounds on bodies: how long a request may take to arrive, and how much of the answers may wait to be read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tonic::body::Body;

use crate::clock::pause;
use crate::error::busy;

/// How long a request may take to arrive once its reader has to wait for the rest of it.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(5);

/// A request body that has to arrive in time: a caller that sends only headers must not keep its permit.
pub(super) struct ArrivalLimited {
    body: Body,
    patience: Option<BoxFuture<'static, ()>>,
}

impl ArrivalLimited {
    pub(super) fn body(body: Body) -> Body {
        Body::new(Self {
            body,
            patience: None,
        })
    }
}

impl http_body::Body for ArrivalLimited {
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
        // Most requests have arrived by the first poll and never get here.
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

/// How many bytes of a service's answers may wait to be read.
const UNREAD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// An answer up to this length is always sent: those of writes, whose effect cannot be undone, are shorter,
/// and the permits bound how many there are. Only that of a large `DeductBatches` is not; its callers ask again
/// under their keys.
const SMALL: usize = 64 * 1024;

/// The message of the status that replaces an answer for which there is no room.
const TOO_MUCH: &str = "too much waits to be read";

/// How many bytes of a service's answers wait to be read.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<AtomicUsize>);

/// An answer that keeps its call's permit until it is read: a caller that reads nothing must not be answered
/// without end. The permits bound how many answers wait, [`Unread`] how many bytes they hold.
pub(super) struct Held {
    body: Body,
    /// The frame that was taken out of `body` ahead of its reader.
    next: Option<Frame<Bytes>>,
    /// How many of its bytes are counted in `unread`.
    len: usize,
    unread: Unread,
    _turn: OwnedSemaphorePermit,
}

impl Held {
    /// Encodes the answer, so that its length is known, and refuses it if too much waits already.
    pub(super) fn answer(
        response: Response<Body>,
        turn: OwnedSemaphorePermit,
        unread: &Unread,
    ) -> Response<Body> {
        let (parts, mut body) = response.into_parts();
        // A stream that is still pending is polled again by the transport.
        let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).now_or_never();
        let next = match next {
            Some(Some(Ok(frame))) => Some(frame),
            Some(Some(Err(status))) => return status.into_http(),
            // It has ended, and must not be polled again.
            Some(None) => return Response::from_parts(parts, Body::empty()),
            None => None,
        };
        let mut held = Self {
            body,
            next: None,
            len: 0,
            unread: unread.clone(),
            _turn: turn,
        };
        if !held.note(
            next.as_ref()
                .and_then(Frame::data_ref)
                .map_or(0, Bytes::len),
        ) {
            return busy(TOO_MUCH).into_http();
        }
        held.next = next;
        Response::from_parts(parts, Body::new(held))
    }

    /// Counts `len` bytes in place of the previous frame, which has been sent; returns whether there is room.
    fn note(&mut self, len: usize) -> bool {
        self.unread.0.fetch_sub(self.len, Ordering::Relaxed);
        let before = self.unread.0.fetch_add(len, Ordering::Relaxed);
        self.len = len;
        len <= SMALL || before.saturating_add(len) <= UNREAD_BYTES_MAX
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.unread.0.fetch_sub(self.len, Ordering::Relaxed);
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(first) = self.next.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let len = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => 0,
        };
        self.note(len);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.next {
            // Before the first frame this is only asked to learn whether there is any.
            Some(_) => SizeHint::default(),
            None => self.body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves that answers are bounded by what waits, and by nothing else.

    use tokio::sync::Semaphore;

    use super::*;

    fn answer(len: usize, turns: &Arc<Semaphore>, unread: &Unread) -> Response<Body> {
        let body = axum::body::Body::from(vec![0; len]);
        let turn = Arc::clone(turns).try_acquire_owned().unwrap();
        Held::answer(Response::new(Body::new(body)), turn, unread)
    }

    async fn next_len(response: &mut Response<Body>) -> Option<usize> {
        let body = response.body_mut();
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        Some(frame.unwrap().data_ref().map_or(0, Bytes::len))
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_what_was_read_waits_no_more() {
        let (turns, unread) = (Arc::new(Semaphore::new(8)), Unread::default());
        let half = UNREAD_BYTES_MAX / 2;
        let mut first = answer(half, &turns, &unread);
        let _second = answer(half, &turns, &unread);
        let _small = answer(SMALL, &turns, &unread);
        let refused = answer(SMALL + 1, &turns, &unread);
        assert_eq!(refused.headers()["grpc-status"], "14");
        assert_eq!(turns.available_permits(), 5, "it keeps no turn");
        assert_eq!(next_len(&mut first).await, Some(half));
        assert_eq!(next_len(&mut first).await, None);
        let mut third = answer(half - SMALL, &turns, &unread);
        assert_eq!(next_len(&mut third).await, Some(half - SMALL));
        drop((first, third));
        assert_eq!(unread.0.load(Ordering::Relaxed), half + SMALL);
        assert_eq!(turns.available_permits(), 6);
    }
}
