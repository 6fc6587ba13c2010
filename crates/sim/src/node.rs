//! The machines of the simulated world: what runs on them, and whether they are alive.

use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platform::clock::Clock;
use platform::net::Transport;
use platform::server::RunningService;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use types::UnixMillis;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Catalog,
    Inventory,
    Order,
    Payment,
}

impl Kind {
    /// All four.
    pub(crate) const ALL: [Self; 4] = [Self::Catalog, Self::Inventory, Self::Order, Self::Payment];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
        }
    }

    /// Its place in [`Self::ALL`].
    pub(crate) const fn place(self) -> usize {
        match self {
            Self::Catalog => 0,
            Self::Inventory => 1,
            Self::Order => 2,
            Self::Payment => 3,
        }
    }
}

/// Where a message comes from or goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Buyers and operators.
    People,
    /// One replica of a service.
    Replica(Kind, u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::People => f.write_str("people"),
            Self::Replica(kind, number) => write!(f, "{}-{number}", kind.name()),
        }
    }
}

/// One run of a process, from its start to its end.
///
/// A crash ends the life and touches nothing else: from then on, everything by which the process
/// could reach the world (its network, its database, its queue, its gateway) keeps silent for ever.
/// What is left of its tasks waits at its next await and is never heard of again, which to everybody
/// else is the same as being gone. So a process can be killed at any await without a single line
/// in the services that knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) place: Place,
    ended: CancellationToken,
}

impl Life {
    pub(crate) fn begin(place: Place) -> Self {
        Self {
            place,
            ended: CancellationToken::new(),
        }
    }

    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Comes when the process dies.
    pub(crate) async fn over(&self) {
        self.ended.cancelled().await;
    }

    /// Goes on where the process lives; else never.
    pub(crate) async fn goes_on(&self) {
        if self.is_over() {
            pending::<()>().await;
        }
    }
}

/// What runs on a machine.
pub(crate) struct Running {
    pub(crate) life: Life,
    pub(crate) transport: Transport,
    /// Calls that it works on.
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) service: RunningService,
}

/// A machine with its clock, which outlives the processes on it.
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) clock: Arc<SimClock>,
    running: Mutex<Option<Running>>,
    starting: Arc<AtomicBool>,
}

/// A process is being started as long as this is there.
pub(crate) struct Starting(Arc<AtomicBool>);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Node {
    pub(crate) fn new(place: Place, clock: Arc<SimClock>) -> Self {
        Self {
            place,
            clock,
            running: Mutex::new(None),
            starting: Arc::default(),
        }
    }

    pub(crate) fn is_starting(&self) -> bool {
        self.starting.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_start(&self) -> Starting {
        self.starting.store(true, Ordering::Relaxed);
        Starting(Arc::clone(&self.starting))
    }

    pub(crate) fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.running().is_some()
    }
}

/// A machine's clock: apart from the others, fast or slow, and set from time to time.
#[derive(Debug)]
pub(crate) struct SimClock {
    epoch: UnixMillis,
    began: Instant,
    skew_ms: AtomicI64,
    drift_ppm: AtomicI64,
}

impl SimClock {
    pub(crate) fn new(epoch: UnixMillis, skew_ms: i64, drift_ppm: i64) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            began: Instant::now(),
            skew_ms: AtomicI64::new(skew_ms),
            drift_ppm: AtomicI64::new(drift_ppm),
        })
    }

    /// Sets it apart from true time by `skew_ms`, and by what its drift has added up to since it began.
    pub(crate) fn set_skew(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    /// Sets it right, and has it go right.
    pub(crate) fn mend(&self) {
        self.set_skew(0);
        self.drift_ppm.store(0, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> UnixMillis {
        let elapsed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let drift = elapsed
            .saturating_mul(self.drift_ppm.load(Ordering::Relaxed))
            .div_euclid(1_000_000);
        let skew = self.skew_ms.load(Ordering::Relaxed);
        let wrong = elapsed.saturating_add(drift).saturating_add(skew);
        UnixMillis::new(self.epoch.get().saturating_add(wrong))
    }
}
