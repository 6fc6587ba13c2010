//! One call, and how an operation ended.

use std::fmt;
use std::time::Duration;

use api::Reply;
use platform::deadline::Deadline;
use tonic::{Code, Request, Response, Status};

/// A call that no reply answered. Whatever it asked for may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The status that came instead.
    Status(Code),
    /// Nothing came in time.
    Late,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "{code:?}"),
            Self::Late => f.write_str("no answer in time"),
        }
    }
}

/// How an operation ended.
pub(super) type Outcome = Result<(), Miss>;

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Miss {
    /// A business "no", by its code.
    Refused(i32),
    /// Nobody knows.
    Failed(Failure),
    /// It was answered, and the answer is not true.
    Wrong(&'static str),
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Makes one call within `limit`.
pub(super) async fn ask<M, R, F>(
    limit: Duration,
    message: M,
    method: impl FnOnce(Request<M>) -> F,
) -> Result<R, Failure>
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let mut request = Request::new(message);
    request.set_timeout(limit);
    match Deadline::after(limit).within(method(request)).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(Failure::Status(status.code())),
        Err(_) => Err(Failure::Late),
    }
}

/// The reply, where it is a yes.
pub(super) fn accepted<R: Reply>(answer: Result<R, Failure>) -> Result<R, Miss> {
    let reply = answer?;
    if reply.code() == 0 {
        Ok(reply)
    } else {
        Err(Miss::Refused(reply.code()))
    }
}

/// An outcome that hangs on whether the answer is true.
pub(super) const fn judged(is_true: bool, otherwise: &'static str) -> Outcome {
    if is_true {
        Ok(())
    } else {
        Err(Miss::Wrong(otherwise))
    }
}
