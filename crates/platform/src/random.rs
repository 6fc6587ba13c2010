//! Randomness, from one place.
//!
//! Ids of requests and the spread of retries come from here and nowhere else, so that a simulation can
//! derive every random choice from its own seed ([`seed_thread`]). Nothing else calls that: without it,
//! numbers come from the system's generator. Not for secrets.

use std::cell::RefCell;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

thread_local! {
    static SEEDED: RefCell<Option<SmallRng>> = const { RefCell::new(None) };
}

/// Derives all numbers of this thread from `seed`, from here on; `None` ends that.
pub fn seed_thread(seed: Option<u64>) {
    SEEDED.set(seed.map(SmallRng::seed_from_u64));
}

/// A random number.
pub fn number() -> u64 {
    SEEDED.with_borrow_mut(|seeded| match seeded {
        Some(rng) => rng.next_u64(),
        None => rand::random(),
    })
}

/// A wait between the two, both included.
pub fn wait_between(shortest: Duration, longest: Duration) -> Duration {
    SEEDED.with_borrow_mut(|seeded| match seeded {
        Some(rng) => rng.random_range(shortest..=longest.max(shortest)),
        None => rand::random_range(shortest..=longest.max(shortest)),
    })
}

#[cfg(test)]
mod tests {
    //! Proves that a seed decides everything, and that without one numbers differ.

    use super::*;

    fn numbers() -> Vec<u64> {
        let longest = Duration::from_secs(1);
        let wait = || wait_between(Duration::ZERO, longest).as_nanos();
        (0..8)
            .map(|_| number() ^ u64::try_from(wait()).unwrap())
            .collect()
    }

    #[test]
    fn a_seed_decides_every_number_of_its_thread() {
        seed_thread(Some(7));
        let first = numbers();
        seed_thread(Some(7));
        assert_eq!(numbers(), first);
        seed_thread(Some(8));
        assert_ne!(numbers(), first);
        seed_thread(None);
        assert_ne!(numbers(), numbers());
    }

    #[test]
    fn waits_stay_within_their_bounds() {
        let (shortest, longest) = (Duration::from_millis(5), Duration::from_millis(7));
        for _ in 0..100 {
            let wait = wait_between(shortest, longest);
            assert!(shortest <= wait && wait <= longest);
        }
        assert_eq!(wait_between(longest, shortest), longest);
    }
}
