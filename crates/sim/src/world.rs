//! Everything that a seed's run shares.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use order::delay_queue::EmbeddedQueue;
use platform::clock::Clock;
use types::UnixMillis;

use crate::chance::Chances;
use crate::gateway::Bank;
use crate::laws::Watch;
use crate::node::{Kind, Node, Place, SimClock};
use crate::people::Promises;
use crate::plan::Plan;
use crate::tally::{Counter, Moment};
use crate::trace::Trace;

/// When the simulated world begins, in its own time.
const EPOCH: UnixMillis = UnixMillis::new(1_800_000_000_000);

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The law, by its short name.
    pub law: &'static str,
    /// What breaks it.
    pub what: String,
    /// When, in milliseconds of simulated time.
    pub at_ms: u64,
}

/// The databases: each is shared by the replicas of its service, and outlives them.
pub(crate) struct Stores {
    pub(crate) catalog: catalog::store::MemoryStore,
    pub(crate) inventory: inventory::store::memory::MemoryStore,
    pub(crate) order: order::store::MemoryStore,
    pub(crate) payment: Arc<payment::store::MemoryStore>,
}

/// The world of one seed.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
    pub(crate) chances: Chances,
    pub(crate) trace: Trace,
    pub(crate) counter: Counter,
    pub(crate) stores: Stores,
    pub(crate) bank: Bank,
    pub(crate) shared_queue: Mutex<Arc<EmbeddedQueue>>,
    pub(crate) nodes: Vec<Node>,
    /// True time, which no process can read.
    pub(crate) true_clock: Arc<SimClock>,
    /// Ways that nothing passes, by sender and receiver.
    pub(crate) blocked: Mutex<BTreeSet<(Place, Place)>>,
    /// Databases that are away.
    pub(crate) outages: Mutex<BTreeSet<Kind>>,
    /// Messages under way.
    pub(crate) under_way: AtomicUsize,
    pub(crate) calls: AtomicU64,
    pub(crate) promises: Mutex<Promises>,
    pub(crate) watch: Mutex<Watch>,
    faulty: AtomicBool,
    violations: Mutex<Vec<Violation>>,
}

impl World {
    /// The world of `seed`, as yet without any process; `told`: whether its story is printed.
    pub(crate) fn new(seed: u64, told: bool) -> Arc<Self> {
        let chances = Chances::new(seed);
        let plan = Plan::draw(&chances.plan);
        let mut nodes = Vec::new();
        for kind in Kind::ALL {
            let replicas = plan.replicas.get(kind.place()).copied().unwrap_or(2);
            for number in 1..=replicas {
                let skew = signed(&chances, plan.nemesis.skew_ms_max);
                let drift = signed(&chances, plan.nemesis.drift_ppm_max);
                let clock = SimClock::new(EPOCH, skew, drift);
                nodes.push(Node::new(Place::Replica(kind, number), clock));
            }
        }
        Arc::new(Self {
            seed,
            plan,
            chances,
            trace: Trace::new(told),
            counter: Counter::default(),
            stores: Stores {
                catalog: catalog::store::MemoryStore::new(),
                inventory: inventory::store::memory::MemoryStore::new(),
                order: order::store::MemoryStore::new(),
                payment: payment::store::MemoryStore::new(),
            },
            bank: Bank::default(),
            shared_queue: Mutex::default(),
            nodes,
            true_clock: SimClock::new(EPOCH, 0, 0),
            blocked: Mutex::default(),
            outages: Mutex::default(),
            under_way: AtomicUsize::new(0),
            calls: AtomicU64::new(0),
            promises: Mutex::default(),
            watch: Mutex::default(),
            faulty: AtomicBool::new(false),
            violations: Mutex::default(),
        })
    }

    /// Whether things break now.
    pub(crate) fn is_faulty(&self) -> bool {
        self.faulty.load(Ordering::Relaxed)
    }

    pub(crate) fn set_faulty(&self, faulty: bool) {
        self.faulty.store(faulty, Ordering::Relaxed);
    }

    /// `rate` while things break, else 0.
    pub(crate) fn rate(&self, rate: u64) -> u64 {
        if self.is_faulty() { rate } else { 0 }
    }

    pub(crate) fn count(&self, moment: Moment) {
        self.counter.add(moment);
    }

    /// True time.
    pub(crate) fn now(&self) -> UnixMillis {
        self.true_clock.now()
    }

    /// Writes a broken law down. The run goes on to its next look at [`Self::is_sound`].
    pub(crate) fn break_law(&self, law: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.trace.tell(format_args!("BROKEN {law}: {what}"));
        let at_ms = self.trace.now_ms();
        lock(&self.violations).push(Violation { law, what, at_ms });
    }

    /// Whether no law was broken so far.
    pub(crate) fn is_sound(&self) -> bool {
        lock(&self.violations).is_empty()
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        lock(&self.violations).clone()
    }

    pub(crate) fn node(&self, place: Place) -> Option<&Node> {
        self.nodes.iter().find(|node| node.place == place)
    }

    /// The machines of a service.
    pub(crate) fn nodes_of(&self, kind: Kind) -> impl Iterator<Item = &Node> {
        let is_of = move |node: &&Node| matches!(node.place, Place::Replica(k, _) if k == kind);
        self.nodes.iter().filter(is_of)
    }

    /// Whether a message passes from one to the other just now.
    pub(crate) fn passes(&self, from: Place, to: Place) -> bool {
        !lock(&self.blocked).contains(&(from, to))
    }
}

/// A number between -`most` and `most`.
pub(crate) fn signed(chances: &Chances, most: u64) -> i64 {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let drawn = chances.plan.below(
        u64::try_from(most)
            .unwrap_or(0)
            .saturating_mul(2)
            .saturating_add(1),
    );
    i64::try_from(drawn).unwrap_or(0).saturating_sub(most)
}

/// Locks what only this thread uses; the lock is for the type's sake.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts something that belongs to no process: a message under way, somebody's errand.
#[expect(
    clippy::disallowed_methods,
    reason = "the world's own tasks end with its runtime"
)]
pub(crate) fn spawn<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(work)
}
