//! Calls that are asked again until they are answered, a bounded number of times.

use std::time::Duration;

use platform::clock;
use platform::context::CallContext;
use platform::net::{self, CallError};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// How long one try may take.
const TRY_LIMIT: Duration = Duration::from_secs(5);
/// How often a call is tried.
const TRIES_MAX: u32 = 7;
/// The wait before the second try; it doubles from try to try, 3 s in all.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// How a call ended that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallFailure {
    /// The request is wrong as it stands.
    #[error("{0}")]
    Rejected(String),
    /// No try was answered.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// Asks again and again, until an answer, the last try, or the end of all hope.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    /// Fired when the import gives up on the shop: what runs is not tried again.
    pub(super) give_up: CancellationToken,
}

impl Retry {
    /// Makes one call. It must be idempotent: an unanswered try may have had its effect.
    pub(super) async fn call<M, R, F>(
        &self,
        context: &CallContext,
        message: M,
        method: impl Fn(Request<M>) -> F,
    ) -> Result<R, CallFailure>
    where
        M: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let mut wait = FIRST_WAIT;
        let mut tried = 0;
        loop {
            let reason = match net::call(context, TRY_LIMIT, message.clone(), &method).await {
                Ok(reply) => return Ok(reply),
                Err(CallError::Rejected(status)) => {
                    return Err(CallFailure::Rejected(status.message().to_owned()));
                }
                Err(CallError::Unknown { reason, .. }) => reason,
            };
            tried += 1;
            if tried == TRIES_MAX || self.give_up.is_cancelled() {
                return Err(CallFailure::NoAnswer(reason));
            }
            clock::pause(wait).await;
            wait = wait.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Answers the `answers`-th try, `status` before that; tells the result and the tries made.
    async fn call(answers: u32, status: Status, give_up: bool) -> (Result<u32, CallFailure>, u32) {
        let retry = Retry {
            give_up: CancellationToken::new(),
        };
        if give_up {
            retry.give_up.cancel();
        }
        let tries = AtomicU32::new(0);
        let context = CallContext::background("test", Duration::from_mins(1));
        let called = retry.call(&context, (), |_request| {
            let tried = tries.fetch_add(1, Ordering::SeqCst) + 1;
            let answer = if tried == answers {
                Ok(Response::new(tried))
            } else {
                Err(status.clone())
            };
            async { answer }
        });
        (called.await, tries.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_yet_succeed_is_tried_again() {
        let no_answer = |text: &str| Err(CallFailure::NoAnswer(text.to_owned()));
        assert_eq!(
            call(3, Status::unavailable("busy"), false).await,
            (Ok(3), 3)
        );
        let down = call(0, Status::unavailable("down"), false).await;
        assert_eq!(down, (no_answer("Unavailable: down"), TRIES_MAX));
        let wrong = call(3, Status::invalid_argument("book.title"), false).await;
        assert_eq!(
            wrong,
            (Err(CallFailure::Rejected("book.title".to_owned())), 1)
        );
        let hopeless = call(3, Status::deadline_exceeded("late"), true).await;
        assert_eq!(hopeless, (no_answer("DeadlineExceeded: late"), 1));
    }
}
