//! What happens around every call, over TCP and in process alike.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body as _;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;
use tracing::Instrument;
use types::Locale;

use crate::context::CallContext;
use crate::deadline::Deadline;
use crate::error::{ERROR_ID, bug, shed};
use crate::net::REQUEST_ID;
use crate::random;
use crate::server::bodies::{ArrivalLimited, Held, Unread};
use crate::server::methods::{Method, Methods};

/// The deadline of a call whose caller names none, and the latest that one can name.
const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);
const DEADLINE_MAX: Duration = Duration::from_mins(1);
/// How many calls a service handles at once, unread answers included; one more is refused at once.
const CALLS_MAX: usize = 4096;
/// Exempt from [`CALLS_MAX`]: it costs next to nothing, and a service that sheds calls is not dead. A limit
/// of its own could be exhausted just the same.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
/// Exempt from the limit on arrival: its callers may take as long as they like between two requests.
const REFLECTION: &str = "/grpc.reflection.";
/// How much of a refused request is read, and how long that may take.
const DISCARD_BYTES_MAX: usize = 16 * 1024;
const DISCARD_LIMIT: Duration = Duration::from_millis(100);
/// The longest request id that is accepted from a caller, in bytes.
const REQUEST_ID_LEN_MAX: usize = 64;

/// A service's routes with the shell around them.
#[derive(Clone)]
pub(super) struct Shell {
    service: &'static str,
    locale: Locale,
    methods: Methods,
    routes: Routes,
    running: Arc<Semaphore>,
    unread: Unread,
}

impl Shell {
    pub(super) fn new(
        service: &'static str,
        locale: Locale,
        methods: Methods,
        routes: Routes,
    ) -> Self {
        Self {
            service,
            locale,
            methods,
            routes,
            running: Arc::new(Semaphore::new(CALLS_MAX)),
            unread: Unread::default(),
        }
    }
}

impl Service<Request<Body>> for Shell {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.routes, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The routes that were polled ready are the ones to call; the clone has yet to be polled.
        let clone = self.clone();
        let ready = std::mem::replace(self, clone);
        Box::pin(async move { Ok(ready.handle(request).await) })
    }
}

impl Shell {
    async fn handle(self, mut request: Request<Body>) -> Response<Body> {
        let context = context_of(request.headers(), self.locale);
        let (methods, uri) = (self.methods.clone(), request.uri().clone());
        let span = tracing::info_span!(
            "call",
            service = self.service,
            method = uri.path(),
            request.id = &*context.request_id,
        );
        request.extensions_mut().insert(context.clone());
        let started = Instant::now();
        let mut response = self
            .answer(context.deadline, request)
            .instrument(span.clone())
            .await;
        blame_the_caller(response.headers_mut());
        span.in_scope(|| observe(methods.at(uri.path()), started, response.headers()));
        if let Ok(id) = HeaderValue::from_str(&context.request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    /// Sheds, limits and guards one call.
    async fn answer(mut self, deadline: Deadline, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path();
        let needs_turn = path != HEALTH_CHECK;
        let turn = needs_turn.then(|| Arc::clone(&self.running).try_acquire_owned());
        let Ok(turn) = turn.transpose() else {
            discard(request.into_body()).await;
            return shed().into_http();
        };
        let request = if path.starts_with(REFLECTION) {
            request
        } else {
            request.map(ArrivalLimited::body)
        };
        let call = AssertUnwindSafe(self.routes.call(request)).catch_unwind();
        match deadline.within(call).await {
            Ok(Ok(Ok(response))) => match turn {
                Some(turn) => Held::answer(response, turn, &self.unread),
                None => response,
            },
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => bug(&HandlerPanicked).into_http(),
            Err(_) => Status::deadline_exceeded("the deadline passed; the outcome is not known")
                .into_http(),
        }
    }
}

/// Reads the body of a refused request to its end, within bounds.
///
/// h2 (0.4.20) never stops counting small frames that arrive for a dropped body as unread, and closes the
/// connection when they add up to half its window: after some 2,000 refusals.
async fn discard(mut body: Body) {
    let reading = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let len = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(len) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // A caller slower than that risks only its own connection.
    let read = Deadline::after(DISCARD_LIMIT).within(reading).await;
    read.unwrap_or_default();
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked")]
struct HandlerPanicked;

fn context_of(headers: &HeaderMap, default: Locale) -> CallContext {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // A list may come in several lines.
    let languages = headers.get_all("accept-language").iter();
    let languages: Vec<_> = languages.filter_map(|value| value.to_str().ok()).collect();
    let locale = Locale::preferred(&languages.join(",")).unwrap_or(default);
    let wait = text("grpc-timeout")
        .and_then(parse_timeout)
        .unwrap_or(DEADLINE_DEFAULT);
    let deadline = Deadline::after(answer_in_time(wait.min(DEADLINE_MAX)));
    let given = text(REQUEST_ID).filter(|id| !id.is_empty() && id.len() <= REQUEST_ID_LEN_MAX);
    let request_id = match given {
        Some(id) => id.into(),
        None => format!("{:016x}", random::number()).into(),
    };
    CallContext {
        locale,
        deadline,
        request_id,
    }
}

/// Leaves a moment for the answer to travel, so that the caller learns the outcome before it gives up.
fn answer_in_time(wait: Duration) -> Duration {
    let travel = (wait / 10).min(Duration::from_millis(10));
    wait.saturating_sub(travel)
}

/// Reads `grpc-timeout`: at most 8 digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(count.saturating_mul(60))),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Maps the transport's own statuses to what they mean.
///
/// tonic says INTERNAL to bytes that do not decode and OUT_OF_RANGE to a message that is too large; callers
/// get `INVALID_ARGUMENT` and `RESOURCE_EXHAUSTED`. This program's own are marked ([`ERROR_ID`]), so every
/// other INTERNAL is the caller's doing.
fn blame_the_caller(headers: &mut HeaderMap) {
    const STATUS: &str = "grpc-status";
    let status = headers.get(STATUS).map(HeaderValue::as_bytes);
    if status == Some(b"13") && !headers.contains_key(ERROR_ID) {
        headers.insert(STATUS, HeaderValue::from_static("3"));
    } else if status == Some(b"11") {
        headers.insert(STATUS, HeaderValue::from_static("8"));
    }
}

fn observe(method: &Method, started: Instant, headers: &HeaderMap) {
    let elapsed = started.elapsed();
    let status = headers.get("grpc-status");
    let status = status.map_or("0", |value| value.to_str().unwrap_or("unreadable"));
    method.count(status, elapsed);
    tracing::debug!(
        grpc.status = status,
        duration_ms = elapsed.as_millis(),
        "answered"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::StreamExt;
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let cases = [
            ("3S", Some(Duration::from_secs(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("1H", Some(Duration::from_hours(1))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("123456789S", None),
            ("-1S", None),
            ("3", None),
            ("S", None),
            ("", None),
            ("3图", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_timeout(text), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn bytes_that_do_not_decode_are_the_callers_mistake() {
        let mut shell = new_shell();
        // A frame of three bytes that are no message.
        let garbage = axum::body::Body::from(&b"\0\0\0\0\x03\xff\xff\xff"[..]);
        let response = shell.call(check(garbage)).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "3");
    }

    /// A body of `frames` frames of a kilobyte; counts how many were taken.
    fn counted(frames: usize, taken: &Arc<AtomicUsize>) -> Body {
        let taken = Arc::clone(taken);
        let stream = futures::stream::iter(0..frames).map(move |_| {
            taken.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from_static(&[0; 1024]))
        });
        Body::new(axum::body::Body::from_stream(stream))
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_request_is_read_to_its_end_but_not_for_ever() {
        let mut shell = new_shell();
        shell.running = Arc::new(Semaphore::new(0));
        let taken = Arc::new(AtomicUsize::new(0));
        let silent = Body::new(silence());
        let bodies = [
            (counted(3, &taken), 3),
            (counted(1_000, &taken), 3 + 17),
            (silent, 3 + 17),
        ];
        for (body, expected) in bodies {
            let response = shell.call(Request::new(body)).await.unwrap();
            assert_eq!(response.headers()["grpc-status"], "14");
            assert_eq!(taken.load(Ordering::SeqCst), expected);
        }
    }

    fn new_shell() -> Shell {
        let (_, health) = tonic_health::server::health_reporter();
        Shell::new(
            "test",
            Locale::Zh,
            Methods::of("test", &[]),
            Routes::new(health),
        )
    }

    /// A health check with the body `body`.
    fn check(body: axum::body::Body) -> Request<Body> {
        post(HEALTH_CHECK, body)
    }

    /// A health watch, whose answer is an endless stream and holds a permit.
    fn watch(body: axum::body::Body) -> Request<Body> {
        post("/grpc.health.v1.Health/Watch", body)
    }

    fn post(path: &str, body: axum::body::Body) -> Request<Body> {
        Request::post(path)
            .header("content-type", "application/grpc")
            .body(Body::new(body))
            .unwrap()
    }

    fn empty_message() -> axum::body::Body {
        axum::body::Body::from(&b"\0\0\0\0\0"[..])
    }

    fn silence() -> axum::body::Body {
        axum::body::Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>())
    }

    /// The status of an answer, which is read to its end.
    async fn status_of(response: Response<Body>) -> String {
        let (parts, mut body) = response.into_parts();
        let mut status = parts.headers.get("grpc-status").cloned();
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let trailers = frame.trailers_ref();
            status = trailers.map_or(status, |trailers| trailers.get("grpc-status").cloned());
        }
        status.unwrap().to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn who_refuses_calls_still_says_that_it_is_well() {
        let mut shell = new_shell();
        shell.running = Arc::new(Semaphore::new(0));
        let response = shell.call(check(empty_message())).await.unwrap();
        assert_eq!(status_of(response).await, "0");
    }

    #[tokio::test]
    async fn an_answer_keeps_its_turn_until_it_is_read() {
        let mut shell = new_shell();
        shell.running = Arc::new(Semaphore::new(1));
        let unread = shell.call(watch(empty_message())).await.unwrap();
        assert!(!unread.headers().contains_key("grpc-status"));
        let refused = shell.call(watch(empty_message())).await.unwrap();
        assert_eq!(refused.headers()["grpc-status"], "14");
        drop(unread);
        let next = shell.call(watch(empty_message())).await.unwrap();
        assert!(!next.headers().contains_key("grpc-status"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_comes_gives_its_turn_back() {
        let mut shell = new_shell();
        shell.running = Arc::new(Semaphore::new(1));
        let mut request = watch(silence());
        let patient = HeaderValue::from_static("60S");
        request.headers_mut().insert("grpc-timeout", patient);
        let begun = tokio::time::Instant::now();
        let response = shell.call(request).await.unwrap();
        assert_eq!(status_of(response).await, "4");
        assert!(begun.elapsed() < Duration::from_secs(6));
        assert_eq!(shell.running.available_permits(), 1);
    }

    #[test]
    fn languages_may_come_in_several_lines() {
        let mut headers = HeaderMap::new();
        for language in ["fr", "zh;q=0.3", "en;q=0.5"] {
            headers.append("accept-language", HeaderValue::from_static(language));
        }
        assert_eq!(context_of(&headers, Locale::Zh).locale, Locale::En);
        assert_eq!(context_of(&HeaderMap::new(), Locale::Zh).locale, Locale::Zh);
    }

    #[test]
    fn who_is_shed_is_told_to_come_back_and_not_at_once_with_all_others() {
        let waits = || (0..64).map(|_| shed().get_details_retry_info()?.retry_delay);
        let waits: BTreeSet<_> = waits().map(Option::unwrap).collect();
        assert!(waits.len() > 32, "{waits:?}");
        assert!(waits.first() >= Some(&Duration::from_millis(500)));
    }

    #[test]
    fn only_marked_internal_errors_stay_internal() {
        let mut theirs = HeaderMap::new();
        theirs.insert("grpc-status", HeaderValue::from_static("13"));
        let mut ours = theirs.clone();
        ours.insert(ERROR_ID, HeaderValue::from_static("1"));
        blame_the_caller(&mut theirs);
        blame_the_caller(&mut ours);
        assert_eq!(theirs["grpc-status"], "3");
        assert_eq!(ours["grpc-status"], "13");
    }
}
