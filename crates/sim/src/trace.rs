//! The story of a seed: hashed always, told on request.

use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// A seed that does more than this runs in circles.
const EVENTS_MAX: u64 = 20_000_000;

/// Takes in everything that happens, in order. Two runs of a seed are the same run exactly where
/// their hashes are equal.
pub(crate) struct Trace {
    state: Mutex<State>,
    began: Instant,
    told: bool,
}

struct State {
    hash: Hash,
    events: u64,
}

/// Text goes into the hash without being kept. Fixed keys: the same in every process.
struct Hash(DefaultHasher);

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Trace {
    /// An empty trace that begins now; `told`: whether to print it.
    pub(crate) fn new(told: bool) -> Self {
        let hash = Hash(DefaultHasher::new());
        Self {
            state: Mutex::new(State { hash, events: 0 }),
            began: Instant::now(),
            told,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the world began.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes in one event of the story.
    #[expect(clippy::print_stdout, reason = "the story is what the user asked for")]
    pub(crate) fn tell(&self, event: fmt::Arguments<'_>) {
        let now = self.now_ms();
        if self.told {
            println!("{:>7}.{:03}  {event}", now / 1000, now % 1000);
        }
        let mut state = self.state();
        state.events = state.events.saturating_add(1);
        state.hash.0.write_u64(now);
        // Writing into a hash cannot fail.
        state.hash.write_fmt(event).unwrap_or_default();
    }

    /// Takes in one event that is too common to be told.
    pub(crate) fn mark(&self, what: &str, bytes: &[u8]) {
        let now = self.now_ms();
        let mut state = self.state();
        state.events = state.events.saturating_add(1);
        state.hash.0.write_u64(now);
        state.hash.0.write(what.as_bytes());
        state.hash.0.write(bytes);
    }

    /// The hash of everything so far.
    pub(crate) fn hash(&self) -> u64 {
        self.state().hash.0.finish()
    }

    /// How much has happened so far.
    pub(crate) fn events(&self) -> u64 {
        self.state().events
    }

    /// Whether too much has happened for a run that will ever end.
    pub(crate) fn runs_in_circles(&self) -> bool {
        self.events() > EVENTS_MAX
    }
}
