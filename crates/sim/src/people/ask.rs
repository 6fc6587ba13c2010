//! One call, as people make it, and what may be answered to any.

use std::time::Duration;

use api::{Reply, Rpc};
use platform::deadline::Deadline;
use tonic::{Code, Request, Status};

use super::Desk;
use crate::tally::Moment;

/// How long people wait for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

impl Desk {
    /// Asks once.
    pub(super) async fn ask<M: Rpc>(&self, message: M) -> Result<M::Reply, Status> {
        let mut request = Request::new(message);
        request.set_timeout(PATIENCE);
        let call = M::send(&self.clients, request);
        let status = match Deadline::after(PATIENCE).within(call).await {
            Ok(Ok(reply)) => return Ok(reply.into_inner()),
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("no answer"),
        };
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded => {}
            // Nobody here asks for anything malformed, so nothing else can be the caller's fault.
            code => {
                let what = format!("{code:?}: {status}");
                self.world.break_law("statuses-are-honest", what);
            }
        }
        if !says_nothing_happened(&status) {
            self.world.count(Moment::LeftInDoubt);
        }
        Err(status)
    }

    /// Asks once for what nobody has a reason to refuse.
    pub(super) async fn ask_unrefused<M: Rpc>(&self, message: M) -> Result<M::Reply, Status> {
        let reply = self.ask(message).await?;
        self.expect_done(&reply);
        Ok(reply)
    }

    /// Breaks a law where the reply is a refusal.
    pub(super) fn expect_done(&self, reply: &impl Reply) {
        if reply.code() != 0 {
            let what = format!("{reply:?}");
            self.world.break_law("refusals-have-a-reason", what);
        }
    }
}

/// Whether the status promises that the call had no effect.
pub(super) fn says_nothing_happened(status: &Status) -> bool {
    status.message().contains("nothing happened")
}
