//! What is done to which step, and how often: the script of one run.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use order::domain::REFUSALS_MAX;
use platform::clock::pause;
use tokio::time::Instant;

use crate::step::{GatewayStep, Method, Step};

/// How long a lasting fault lasts.
const LASTING: Duration = Duration::from_secs(20);

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Treatment {
    /// Carried out, and then again; the asker hears the second answer of a call, the first of a
    /// unit of work and of the queue.
    Repeated,
    /// Carried out twice at once.
    Doubled,
    /// Not carried out, and that is said for certain.
    Refused,
    /// Not carried out, and nobody can tell.
    LostRequest,
    /// Carried out, and nobody can tell.
    LostReply,
    /// Carried out, and never answered: the asker's own deadline ends the wait.
    Silence,
    /// Said to be lost; carried out when everything else is over.
    Late,
    /// Said to be lost; carried out as soon as what undoes it has been.
    AfterItsUndoing,
    /// Said to be done, and not carried out.
    Forgotten,
}

impl Treatment {
    /// What can become of `step`.
    pub(crate) fn of(step: Step) -> Vec<Self> {
        use Treatment::*;
        match step {
            // A stream without end: only its beginning can fail here.
            Step::Asked(Method::WatchPayments) | Step::Upstream(Method::WatchPayments) => {
                vec![Repeated, Refused, LostRequest, Silence]
            }
            Step::Asked(method) | Step::Upstream(method) => {
                let mut all = vec![
                    Repeated,
                    Doubled,
                    Refused,
                    LostRequest,
                    LostReply,
                    Silence,
                    Late,
                ];
                all.extend(method.undone_by().map(|_| AfterItsUndoing));
                all
            }
            // A commit in doubt is whole or absent once its locks are gone: it never comes late.
            Step::Order(_) | Step::Payment(_) | Step::Stock(_) | Step::Book(_) => {
                vec![Repeated, Refused, LostRequest, LostReply]
            }
            Step::OrderRead(_) | Step::PaymentRead(_) => vec![Refused],
            Step::Gateway(GatewayStep::Query) => vec![Refused, LostRequest, Silence],
            Step::Gateway(_) => {
                vec![Repeated, Refused, LostRequest, LostReply, Silence, Late]
            }
            Step::Queue(_) => vec![Repeated, Refused, LostReply, Forgotten],
        }
    }
}

/// How often a step meets its treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The first so many times.
    Times(u32),
    /// For 20 s.
    Lasting,
}

impl Extent {
    /// Once; longer than leases and patience last; and, where a task asks, often enough for it to
    /// be parked.
    pub(crate) fn of(step: Step) -> Vec<Self> {
        match step {
            Step::Upstream(_) | Step::Gateway(_) => {
                vec![Self::Times(1), Self::Times(REFUSALS_MAX + 1), Self::Lasting]
            }
            _ => vec![Self::Times(1), Self::Lasting],
        }
    }
}

/// One fault of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) step: Step,
    pub(crate) treatment: Treatment,
    pub(crate) extent: Extent,
}

/// The faults of one run, and what it has met so far.
pub(crate) struct Plan {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since when faults happen; never before the shop is furnished, nor after it was healed.
    armed: Option<Instant>,
    faults: Vec<Fault>,
    passed: BTreeMap<Step, u32>,
    held: Vec<Held>,
    latency: Duration,
}

/// A call on its way.
struct Held {
    until: Option<Method>,
    deliver: BoxFuture<'static, ()>,
}

impl Plan {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `faults` happen, the first that fits a step first.
    pub(crate) fn arm(&self, faults: Vec<Fault>) {
        let mut state = self.state();
        state.armed = Some(Instant::now());
        state.faults = faults;
        state.passed.clear();
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.latency = Duration::ZERO;
    }

    /// From now on every step takes this long, on the way there and on the way back.
    pub(crate) fn slow_down(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// The way to a step or back.
    pub(crate) async fn travel(&self) {
        let latency = self.state().latency;
        if !latency.is_zero() {
            pause(latency).await;
        }
    }

    /// A step is passed; what becomes of it?
    pub(crate) fn pass(&self, step: Step) -> Option<Treatment> {
        let mut state = self.state();
        let armed = state.armed?;
        *state.passed.entry(step).or_default() += 1;
        let lasts = armed.elapsed() < LASTING;
        for fault in state.faults.iter_mut().filter(|fault| fault.step == step) {
            match &mut fault.extent {
                Extent::Times(0) => {}
                Extent::Times(left) => {
                    *left -= 1;
                    return Some(fault.treatment);
                }
                Extent::Lasting if lasts => return Some(fault.treatment),
                Extent::Lasting => {}
            }
        }
        None
    }

    /// How often each step was passed since the run began.
    pub(crate) fn passed(&self) -> BTreeMap<Step, u32> {
        self.state().passed.clone()
    }

    /// Keeps a call back until `until` has been carried out, or until the end.
    pub(crate) fn hold(
        &self,
        until: Option<Method>,
        deliver: impl Future<Output = ()> + Send + 'static,
    ) {
        let deliver = Box::pin(deliver);
        self.state().held.push(Held { until, deliver });
    }

    /// `method` has been carried out: delivers what waited for that.
    pub(crate) async fn deliver_after(&self, method: Method) {
        let due: Vec<_> = {
            let mut state = self.state();
            let waits = |held: &mut Held| held.until == Some(method);
            state.held.extract_if(.., waits).collect()
        };
        for held in due {
            held.deliver.await;
        }
    }

    /// Delivers everything that is still on its way.
    pub(crate) async fn deliver_all(&self) {
        let held = std::mem::take(&mut self.state().held);
        for held in held {
            held.deliver.await;
        }
    }
}

/// No answer, ever.
pub(crate) async fn silence<T>() -> T {
    pending().await
}
