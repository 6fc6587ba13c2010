//! Connections as they come in.
//!
//! Copes with exhausted file descriptors, and with callers that connect and send nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use futures::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use crate::clock::pause;
use crate::net::Corked;

/// How long a caller may take to send the HTTP/2 preface.
const PREFACE_LIMIT: Duration = Duration::from_secs(10);
/// The length of the preface, in bytes.
const PREFACE_LEN: usize = 24;
/// How long to wait after a failed accept: its cause, such as exhausted file descriptors, lasts.
const REST: Duration = Duration::from_millis(100);

/// The connections of `listener`. Those that have not sent a whole preface end at `shutdown`.
pub(super) fn incoming(
    service: &'static str,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<Corked<PrefaceLimited<TcpStream>>>> {
    let state = (listener, shutdown, false);
    stream::unfold(state, move |(listener, shutdown, mut is_told)| async move {
        loop {
            match listener.accept().await {
                Ok((connection, _)) => {
                    // Otherwise (Nagle) an answer that follows another waits for the caller's delayed ACK.
                    if let Err(error) = connection.set_nodelay(true) {
                        tracing::debug!(service, %error, "a connection ended at once");
                        continue;
                    }
                    let limited = PrefaceLimited::new(connection, shutdown.clone());
                    return Some((Ok(Corked::new(limited)), (listener, shutdown, false)));
                }
                Err(error) if is_of_one_caller(&error) => {}
                Err(error) => {
                    metrics::counter!("bookstore_accept_errors_total", "service" => service)
                        .increment(1);
                    if !is_told {
                        tracing::error!(service, %error, "connections cannot be taken");
                        is_told = true;
                    }
                    pause(REST).await;
                }
            }
        }
    })
}

/// Whether the connection broke before it was accepted: the next one may be fine, and a caller that breaks
/// many must not make the others wait.
fn is_of_one_caller(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// A connection that ends unless its caller sends the preface in time.
pub(super) struct PrefaceLimited<T> {
    inner: T,
    /// How many bytes of the preface are missing, and the timer; `None` once it is complete.
    silent: Option<(usize, BoxFuture<'static, ()>)>,
}

impl<T> PrefaceLimited<T> {
    fn new(inner: T, shutdown: CancellationToken) -> Self {
        let patience = async move {
            shutdown.run_until_cancelled(pause(PREFACE_LIMIT)).await;
        };
        Self {
            inner,
            silent: Some((PREFACE_LEN, Box::pin(patience))),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for PrefaceLimited<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, into);
        let Some((missing, patience)) = &mut self.silent else {
            return read;
        };
        if read.is_pending() {
            ready!(patience.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        *missing = missing.saturating_sub(into.filled().len().saturating_sub(before));
        if *missing == 0 {
            self.silent = None;
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for PrefaceLimited<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T: Connected> Connected for PrefaceLimited<T> {
    type ConnectInfo = T::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.inner.connect_info()
    }
}

#[cfg(test)]
mod tests {
    //! Proves that a caller that sends nothing, or half a preface, is timed out, and that a connection may be
    //! idle after its preface.

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn connection() -> (
        DuplexStream,
        PrefaceLimited<DuplexStream>,
        CancellationToken,
    ) {
        let (caller, ours) = duplex(1024);
        let shutdown = CancellationToken::new();
        (
            caller,
            PrefaceLimited::new(ours, shutdown.clone()),
            shutdown,
        )
    }

    async fn read_error(prompt: &mut PrefaceLimited<DuplexStream>) -> io::ErrorKind {
        prompt.read(&mut [0; 64]).await.unwrap_err().kind()
    }

    #[test]
    fn a_listener_rests_for_what_lasts_and_not_for_one_broken_connection() {
        // EMFILE, ENFILE, ENOMEM; ECONNABORTED, ECONNRESET.
        for (code, is_one) in [
            (24, false),
            (23, false),
            (12, false),
            (103, true),
            (104, true),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(is_of_one_caller(&error), is_one, "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_half_a_preface_is_let_go() {
        for said in [&b""[..], b"PRI * HTTP/2.0"] {
            let (mut caller, mut prompt, _shutdown) = connection();
            caller.write_all(said).await.unwrap();
            if !said.is_empty() {
                assert_eq!(prompt.read(&mut [0; 64]).await.unwrap(), said.len());
            }
            let begun = tokio::time::Instant::now();
            assert_eq!(read_error(&mut prompt).await, io::ErrorKind::TimedOut);
            assert!(begun.elapsed() <= PREFACE_LIMIT + REST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_nobody_who_has_not_spoken() {
        let (_caller, mut prompt, shutdown) = connection();
        shutdown.cancel();
        let begun = tokio::time::Instant::now();
        assert_eq!(read_error(&mut prompt).await, io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_spoken_may_be_silent() {
        let (mut caller, mut prompt, shutdown) = connection();
        caller.write_all(&[0; PREFACE_LEN]).await.unwrap();
        assert_eq!(prompt.read(&mut [0; 64]).await.unwrap(), PREFACE_LEN);
        shutdown.cancel();
        let reading = tokio::time::timeout(PREFACE_LIMIT * 2, prompt.read_u8());
        assert!(reading.await.is_err(), "it waits");
    }
}
