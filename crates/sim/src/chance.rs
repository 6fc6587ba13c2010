//! Where every choice of a simulation comes from.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// One stream of numbers. Each part of the world draws from a stream of its own, so that one more
/// draw in one part does not change every choice of the others.
pub(crate) struct Chance(Mutex<SmallRng>);

/// The streams of one seed.
pub(crate) struct Chances {
    /// Which faults there are, and how many.
    pub(crate) plan: Chance,
    /// What becomes of messages.
    pub(crate) net: Chance,
    /// What becomes of transactions.
    pub(crate) disk: Chance,
    /// What the payment gateway does.
    pub(crate) gateway: Chance,
    /// When what breaks.
    pub(crate) nemesis: Chance,
    /// What buyers and operators do.
    pub(crate) people: Chance,
}

impl Chances {
    pub(crate) fn new(seed: u64) -> Self {
        let stream = |number: u64| Chance::new(seed, number);
        Self {
            plan: stream(1),
            net: stream(2),
            disk: stream(3),
            gateway: stream(4),
            nemesis: stream(5),
            people: stream(6),
        }
    }
}

impl Chance {
    /// Stream `stream` of `seed`.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mixed = scramble(seed).wrapping_add(scramble(stream.wrapping_add(1 << 32)));
        Self(Mutex::new(SmallRng::seed_from_u64(mixed)))
    }

    fn rng(&self) -> MutexGuard<'_, SmallRng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        self.rng().random_range(low..=high.max(low))
    }

    /// A number below `count`; 0 where that is 0.
    pub(crate) fn below(&self, count: u64) -> u64 {
        self.between(0, count.saturating_sub(1))
    }

    /// A wait between the two, in milliseconds.
    pub(crate) fn millis(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    /// Whether something happens that happens `per_mille` times in a thousand.
    pub(crate) fn happens(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1000) < per_mille
    }

    /// One of `items`; `None` where there is none.
    pub(crate) fn pick<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        let at = self.below(u64::try_from(items.len()).unwrap_or(0));
        items.get(usize::try_from(at).unwrap_or(0))
    }
}

/// The finaliser of `SplitMix64`: neighbours in, strangers out.
pub(crate) const fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
