//! A replayable request body: it can be taken back from an attempt that never touched it.
//!
//! Whether a failed attempt may have reached a server is not guessed from its error. The message is in the
//! body: if the attempt never polled it, no server can have executed the request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;

type Slot = Arc<Mutex<Option<Body>>>;

/// The side that may take the body back.
pub(super) struct Lender(Slot);

/// The side that sends it. The first poll takes the body out of the slot, for good.
pub(super) struct Lent {
    slot: Slot,
    taken: Option<Body>,
}

/// Lends `body` to one attempt.
pub(super) fn lend(body: Body) -> (Lender, Lent) {
    let slot = Arc::new(Mutex::new(Some(body)));
    let lender = Lender(Arc::clone(&slot));
    (lender, Lent { slot, taken: None })
}

impl Lender {
    /// The body, if the attempt never polled it; the attempt cannot get it any more.
    pub(super) fn take_back(self) -> Option<Body> {
        take(&self.0)
    }
}

fn take(slot: &Slot) -> Option<Body> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = Status;

    /// Fails if the body was taken back, so that half a request is never mistaken for a whole one.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.taken.is_none() {
            self.taken = take(&self.slot);
        }
        match &mut self.taken {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(Some(Err(Status::cancelled("sent elsewhere")))),
        }
    }

    /// Never true before the body was taken: an empty one could otherwise be sent without being polled.
    fn is_end_stream(&self) -> bool {
        self.taken.as_ref().is_some_and(HttpBody::is_end_stream)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;

    use super::*;

    async fn read(lent: &mut Lent) -> Option<Result<Bytes, Status>> {
        let frame = poll_fn(|cx| Pin::new(&mut *lent).poll_frame(cx)).await?;
        Some(frame.map(|frame| frame.into_data().unwrap()))
    }

    fn text() -> Body {
        Body::new(axum::body::Body::from("a message"))
    }

    #[tokio::test]
    async fn an_untouched_body_comes_back_and_is_lost_to_the_attempt() {
        let (lender, mut lent) = lend(text());
        let body = lender.take_back().unwrap();
        assert!(read(&mut lent).await.unwrap().is_err());
        let (_lender, mut again) = lend(body);
        assert_eq!(read(&mut again).await.unwrap().unwrap(), "a message");
    }

    #[tokio::test]
    async fn a_touched_body_does_not_come_back() {
        let (lender, mut lent) = lend(text());
        assert_eq!(read(&mut lent).await.unwrap().unwrap(), "a message");
        assert!(lender.take_back().is_none());
        assert!(read(&mut lent).await.is_none());
    }

    #[tokio::test]
    async fn an_empty_body_is_not_sent_without_a_look() {
        let (lender, mut lent) = lend(Body::empty());
        assert!(!lent.is_end_stream());
        assert!(read(&mut lent).await.is_none());
        assert!(lender.take_back().is_none());
    }
}
