//! Connections that batch their writes: answers that are ready together go out together.
//!
//! An HTTP/2 connection is flushed whenever something is ready to be sent. When a batch is committed and
//! thirty callers are answered at once, the runtime runs an answer, then the connection it goes over, then the
//! next answer: thirty packets, each with a system call at either end. With the cork in, a flush first yields
//! to every task that is ready to run, and then one packet takes everything. (HTTP/2 flushes after each
//! message of more than a kilobyte; such a call takes two flushes.) The idea is that of `TCP_CORK`, with the
//! scheduler in place of a clock: a flush waits only for tasks that run anyway.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// Once this many bytes are buffered, they are sent before more are accepted.
const BYTES_MAX: usize = 64 * 1024;
/// How many bytes of buffer a connection keeps that once had more to send.
const BYTES_KEPT: usize = 16 * 1024;

/// A connection that sends what was written to it once all tasks that were ready have run.
///
/// Only for connections that are flushed by tasks of their own: it relies on the scheduler to queue a task
/// that wakes itself behind all ready ones.
pub(crate) struct Corked<T> {
    inner: T,
    waiting: Vec<u8>,
    /// How many bytes of `waiting` have been sent.
    sent: usize,
    /// Whether it has yielded to the other tasks since the last flush.
    has_yielded: bool,
}

impl<T> Corked<T> {
    pub(crate) const fn new(inner: T) -> Self {
        Self {
            inner,
            waiting: Vec::new(),
            sent: 0,
            has_yielded: false,
        }
    }
}

impl<T: AsyncWrite + Unpin> Corked<T> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .waiting
            .get(self.sent..)
            .filter(|rest| !rest.is_empty())
        {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent = self.sent.saturating_add(sent);
        }
        self.waiting.clear();
        self.waiting.shrink_to(BYTES_KEPT);
        self.sent = 0;
        self.has_yielded = false;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Corked<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.waiting.len() >= BYTES_MAX {
            ready!(self.poll_send(cx))?;
        }
        self.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.waiting.is_empty() && !self.has_yielded {
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Corked<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl<T: Connected> Connected for Corked<T> {
    type ConnectInfo = T::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.inner.connect_info()
    }
}

#[cfg(test)]
mod tests {
    //! Proves that all that is ready goes out together, in order and whole, and that nothing is left behind.

    use std::sync::{Arc, Mutex};

    use futures::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Notes each write; takes at most `at_once` bytes of it.
    #[derive(Clone)]
    struct Notes {
        writes: Arc<Mutex<Vec<Vec<u8>>>>,
        at_once: usize,
    }

    impl Notes {
        fn taking(at_once: usize) -> Self {
            Self {
                writes: Arc::default(),
                at_once,
            }
        }

        fn writes(&self) -> Vec<Vec<u8>> {
            self.writes.lock().unwrap().clone()
        }
    }

    impl AsyncWrite for Notes {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = &bytes[..bytes.len().min(self.at_once)];
            self.writes.lock().unwrap().push(taken.to_vec());
            Poll::Ready(Ok(taken.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Polls a flush to its end.
    async fn flush(corked: &Mutex<Corked<Notes>>) {
        poll_fn(|cx| Pin::new(&mut *corked.lock().unwrap()).poll_flush(cx))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_others_write_meanwhile_goes_along() {
        let notes = Notes::taking(usize::MAX);
        let corked = Arc::new(Mutex::new(Corked::new(notes.clone())));
        let write = |bytes: &'static [u8]| {
            let corked = Arc::clone(&corked);
            async move {
                let written =
                    poll_fn(|cx| Pin::new(&mut *corked.lock().unwrap()).poll_write(cx, bytes));
                assert_eq!(written.await.unwrap(), bytes.len());
            }
        };
        write(b"first ").await;
        // In one thread: the second is written before the flush is polled again.
        let flushing = async {
            flush(&corked).await;
        };
        tokio::join!(flushing, write(b"second"));
        assert_eq!(notes.writes(), [b"first second"]);
        write(b", third").await;
        flush(&corked).await;
        assert_eq!(notes.writes(), [&b"first second"[..], b", third"]);
    }

    #[tokio::test]
    async fn what_does_not_go_at_once_goes_in_pieces_and_a_shutdown_leaves_nothing() {
        let notes = Notes::taking(3);
        let mut corked = Corked::new(notes.clone());
        corked.write_all(b"abcdefg").await.unwrap();
        corked.flush().await.unwrap();
        assert_eq!(notes.writes(), [&b"abc"[..], b"def", b"g"]);
        corked.write_all(b"hi").await.unwrap();
        corked.shutdown().await.unwrap();
        assert_eq!(notes.writes().concat(), b"abcdefghi");
    }

    #[tokio::test]
    async fn more_than_a_buffer_full_is_sent_without_a_flush() {
        let notes = Notes::taking(usize::MAX);
        let mut corked = Corked::new(notes.clone());
        let full = vec![b'x'; BYTES_MAX];
        corked.write_all(&full).await.unwrap();
        assert!(notes.writes().is_empty());
        corked.write_all(b"y").await.unwrap();
        assert_eq!(notes.writes(), [full]);
    }

    #[tokio::test]
    async fn a_server_that_takes_nothing_is_an_error_and_no_endless_loop() {
        let mut corked = Corked::new(Notes::taking(0));
        corked.write_all(b"a").await.unwrap();
        let error = corked.flush().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }

    /// Sends 300 kB in uneven pieces to a reader that takes seven bytes at a time.
    #[tokio::test]
    async fn nothing_is_lost_or_out_of_order_where_the_other_side_is_slow() {
        let bytes: Vec<u8> = (0..=250_u8).cycle().take(300_000).collect();
        let (here, mut there) = tokio::io::duplex(7);
        let mut corked = Corked::new(here);
        let sending = async {
            let mut rest = &bytes[..];
            for len in (1..).map(|turn: usize| turn * 7_919 % 90_000) {
                let (piece, after) = rest.split_at(len.min(rest.len()));
                corked.write_all(piece).await.unwrap();
                if len % 3 == 0 {
                    corked.flush().await.unwrap();
                }
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            corked.shutdown().await.unwrap();
        };
        let mut arrived = Vec::new();
        let receiving = there.read_to_end(&mut arrived);
        let ((), read) = tokio::join!(sending, receiving);
        read.unwrap();
        assert!(arrived == bytes);
    }

    #[tokio::test]
    async fn reading_is_left_alone() {
        let (here, mut there) = tokio::io::duplex(64);
        let mut corked = Corked::new(here);
        there.write_all(b"hello").await.unwrap();
        let mut read = [0; 5];
        corked.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hello");
    }
}
