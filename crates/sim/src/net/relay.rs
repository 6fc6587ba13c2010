//! A stream of answers on its way back, frame by frame and in order, until something breaks.

use std::time::Duration;

use http::Response;
use http_body_util::{BodyExt, StreamBody};
use platform::clock::pause;
use platform::deadline::Deadline;
use prost::bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;

use super::deliver::Letter;
use super::{Answer, SILENCE};
use crate::node::Life;
use crate::tally::Moment;

/// How often a quiet stream looks whether the network is whole.
const PING_EVERY: Duration = Duration::from_secs(1);

type Frame = http_body::Frame<Bytes>;

/// Why a stream ended before its end.
const BROKEN: &str = "the stream broke";

/// Relays `response` to the caller until it ends, the callee dies, the caller drops it, chance cuts it,
/// or the network has been cut for longer than pings allow.
pub(super) async fn run(
    letter: &Letter,
    response: Response<Body>,
    life: &Life,
    answer: oneshot::Sender<Answer>,
) {
    let (head, mut body) = response.into_parts();
    let (frames, received) = mpsc::channel(16);
    let relayed = Body::new(StreamBody::new(ReceiverStream::new(received)));
    if answer
        .send(Ok(Response::from_parts(head, relayed)))
        .is_err()
    {
        return;
    }
    let mut cut_since = None;
    loop {
        let frame = tokio::select! {
            biased;
            () = life.over() => {
                break_off(letter, &frames, "callee died").await;
                return;
            }
            () = frames.closed() => return,
            () = pause(PING_EVERY) => None,
            frame = body.frame() => Some(frame),
        };
        if wait_out_cut(letter, &mut cut_since).await {
            break_off(letter, &frames, "cut").await;
            return;
        }
        let Some(frame) = frame else { continue };
        let Some(frame) = frame else { return };
        if cuts(letter) {
            break_off(letter, &frames, "broken").await;
            return;
        }
        if let Ok(frame) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            letter.world.trace.mark("frame", bytes);
        }
        pause(letter.latency()).await;
        if frames.send(frame).await.is_err() {
            return;
        }
    }
}

/// Whether the network was cut for too long. A shorter cut only delays.
async fn wait_out_cut(letter: &Letter, cut_since: &mut Option<Deadline>) -> bool {
    loop {
        let whole = letter.world.passes(letter.from, letter.to)
            && letter.world.passes(letter.to, letter.from);
        if whole {
            *cut_since = None;
            return false;
        }
        let until = *cut_since.get_or_insert_with(|| Deadline::after(SILENCE));
        if until.has_passed() {
            return true;
        }
        pause(Duration::from_millis(250)).await;
    }
}

fn cuts(letter: &Letter) -> bool {
    let rate = letter.world.rate(letter.world.plan.net.cut_stream);
    letter.world.chances.net.happens(rate)
}

async fn break_off(letter: &Letter, frames: &mpsc::Sender<Result<Frame, Status>>, why: &str) {
    letter.world.count(Moment::StreamCut);
    letter.tell(&format!("stream {why}"));
    drop(frames.send(Err(Status::unavailable(BROKEN))).await);
}
