//! One call, as people make it, and what may be answered to any.

use std::time::Duration;

use platform::deadline::Deadline;
use tonic::{Code, Request, Response, Status};

use crate::tally::Moment;
use crate::world::World;

/// Asks, and waits `limit` at the most.
pub(super) async fn ask<M, R, F>(
    world: &World,
    limit: Duration,
    message: M,
    call: impl FnOnce(Request<M>) -> F,
) -> Result<R, Status>
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let mut request = Request::new(message);
    request.set_timeout(limit);
    let status = match Deadline::after(limit).within(call(request)).await {
        Ok(Ok(reply)) => return Ok(reply.into_inner()),
        Ok(Err(status)) => status,
        Err(_) => Status::deadline_exceeded("no answer"),
    };
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => {}
        // Nobody here asks for anything malformed, so nothing else can be the caller's fault.
        code => world.break_law("statuses-are-honest", format!("{code:?}: {status}")),
    }
    if !says_nothing_happened(&status) {
        world.count(Moment::LeftInDoubt);
    }
    Err(status)
}

/// Whether the status promises that the call had no effect.
pub(super) fn says_nothing_happened(status: &Status) -> bool {
    status.message().contains("nothing happened")
}
