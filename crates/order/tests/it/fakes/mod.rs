//! Services beyond our edge, as scripted servers behind the generated clients: each does its real
//! work in a few lines, and misbehaves as a test tells it to.

mod catalog;
mod inventory;
mod payment;
mod queue;
mod store;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tonic::Status;

pub(crate) use catalog::FakeCatalog;
pub(crate) use inventory::FakeInventory;
pub(crate) use payment::{FakePayment, Forgery};
pub(crate) use queue::{DeadQueue, ForgetfulQueue};
pub(crate) use store::{Fault, FlakyStore};

/// How a call is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// As it should be.
    Serve,
    /// Not carried out; UNAVAILABLE.
    LoseRequest,
    /// Carried out; UNAVAILABLE.
    LoseReply,
    /// Carried out; `DEADLINE_EXCEEDED`.
    ReplyLate,
    /// Not carried out now: it arrives when the test delivers it. UNAVAILABLE.
    Delay,
    /// Never answered; not carried out.
    Hang,
    /// Refused with this business code.
    Refuse(i32),
    /// `INVALID_ARGUMENT`.
    Reject,
}

/// What becomes of the calls of one method: the script, act by act, then for ever the last word.
#[derive(Debug)]
pub(crate) struct Script {
    state: Mutex<ScriptState>,
}

#[derive(Debug)]
struct ScriptState {
    acts: VecDeque<Act>,
    then: Act,
    calls: usize,
}

impl Default for Script {
    fn default() -> Self {
        let state = ScriptState {
            acts: VecDeque::new(),
            then: Act::Serve,
            calls: 0,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl Script {
    fn state(&self) -> MutexGuard<'_, ScriptState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next calls meet these acts, one each.
    pub(crate) fn next(&self, acts: impl IntoIterator<Item = Act>) {
        self.state().acts.extend(acts);
    }

    /// Every call from now on that has no act of its own meets this one.
    pub(crate) fn always(&self, act: Act) {
        self.state().then = act;
    }

    /// Drops the acts that no call has met yet.
    pub(crate) fn forget(&self) {
        self.state().acts.clear();
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    /// Takes the act of one call; a hanging one never comes back.
    async fn act(&self) -> Result<Act, Status> {
        let act = {
            let mut state = self.state();
            state.calls += 1;
            state.acts.pop_front().unwrap_or(state.then)
        };
        match act {
            Act::Hang => std::future::pending().await,
            Act::LoseRequest => Err(lost()),
            Act::Reject => Err(Status::invalid_argument("scripted")),
            Act::Serve | Act::LoseReply | Act::ReplyLate | Act::Delay | Act::Refuse(_) => Ok(act),
        }
    }
}

fn lost() -> Status {
    Status::unavailable("scripted: the line went dead")
}

/// The reply, or its loss.
fn deliver<T>(act: Act, reply: T) -> Result<tonic::Response<T>, Status> {
    match act {
        Act::LoseReply => Err(lost()),
        Act::ReplyLate => Err(Status::deadline_exceeded("scripted: too late to say")),
        _ => Ok(tonic::Response::new(reply)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The methods that orders never call; spelled as `async_trait` spells them, since macros inside
/// it are expanded after it.
macro_rules! unused_methods {
    ($($method:ident: $request:ty => $response:ty;)+) => {
        $(fn $method<'call, 'reply>(
            &'call self,
            _: tonic::Request<$request>,
        ) -> futures::future::BoxFuture<'reply, Result<tonic::Response<$response>, Status>>
        where
            'call: 'reply,
            Self: 'reply,
        {
            Box::pin(async { Err(Status::unimplemented("not scripted")) })
        })+
    };
}
use unused_methods;
