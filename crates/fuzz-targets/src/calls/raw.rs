//! Calls as bytes: no generated client stands between an input and the server.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Context as _;
use http::{HeaderMap, Request};
use http_body::{Body as _, Frame};
use platform::net::Transport;
use prost::bytes::Bytes;
use tonic::Code;
use tonic::body::Body;
use tower::{Service, ServiceExt};

/// How often a stream is looked at without anything new before it counts as open.
const LOOKS_MAX: u32 = 8;

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status; `None` where it is no gRPC answer.
    pub(super) code: Option<Code>,
    /// The status of HTTP.
    pub(super) http: u16,
    /// The first message, where there is one.
    pub(super) message: Vec<u8>,
    /// The status's own words.
    pub(super) words: String,
}

/// Calls the method at `path` with one message.
pub(super) async fn call(
    transport: &Transport,
    path: &str,
    message: &[u8],
) -> anyhow::Result<Answer> {
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body_of(frame(message)))?;
    send(transport, request).await
}

/// Sends a request, whatever it is.
pub(super) async fn send(transport: &Transport, request: Request<Body>) -> anyhow::Result<Answer> {
    let mut transport = transport.clone();
    let ready = transport
        .ready()
        .await
        .map_err(|why| anyhow::anyhow!(why))?;
    let response = ready
        .call(request)
        .await
        .map_err(|why| anyhow::anyhow!(why))?;
    let (head, mut body) = response.into_parts();
    let mut data = Vec::new();
    let mut trailers = HeaderMap::new();
    let mut open = false;
    loop {
        match next_frame(&mut body).await {
            Next::Frame(Ok(frame)) => match frame.into_data() {
                Ok(more) => data.extend_from_slice(&more),
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            },
            Next::Frame(Err(status)) => {
                return Ok(Answer {
                    code: Some(status.code()),
                    http: head.status.as_u16(),
                    message: Vec::new(),
                    words: status.message().to_owned(),
                });
            }
            Next::End => break,
            Next::Open => {
                open = true;
                break;
            }
        }
    }
    let told = |name: &str| head.headers.get(name).or_else(|| trailers.get(name));
    let code = told("grpc-status").map(|status| Code::from_bytes(status.as_bytes()));
    let words = told("grpc-message").map(|words| String::from_utf8_lossy(words.as_bytes()));
    Ok(Answer {
        code: code.or(open.then_some(Code::Ok)),
        http: head.status.as_u16(),
        message: first_message(&data).unwrap_or_default().to_vec(),
        words: words.unwrap_or_default().into_owned(),
    })
}

/// A message as gRPC frames it.
pub(super) fn frame(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(message.len().saturating_add(5));
    framed.push(0);
    framed.extend_from_slice(&len.to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// A body of these bytes, in one piece.
pub(super) fn body_of(bytes: Vec<u8>) -> Body {
    Body::new(Once(Some(bytes.into())))
}

fn first_message(data: &[u8]) -> Option<&[u8]> {
    let (head, rest) = data.split_first_chunk::<5>()?;
    let [_, a, b, c, d] = *head;
    let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    rest.get(..len)
}

struct Once(Option<Bytes>);

impl http_body::Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

enum Next {
    Frame(Result<Frame<Bytes>, tonic::Status>),
    End,
    /// There may be more some day.
    Open,
}

async fn next_frame(body: &mut Body) -> Next {
    for _ in 0..LOOKS_MAX {
        let look = poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await;
        match look {
            Poll::Ready(Some(frame)) => return Next::Frame(frame),
            Poll::Ready(None) => return Next::End,
            Poll::Pending => tokio::task::yield_now().await,
        }
    }
    Next::Open
}

/// The bytes as a URI.
pub(super) fn path(bytes: &[u8]) -> anyhow::Result<http::Uri> {
    http::Uri::try_from(bytes).context("no path")
}
