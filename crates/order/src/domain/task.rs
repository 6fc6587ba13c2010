use std::time::Duration;

use types::{OrderId, OrderNo, UnixMillis};

/// How many refusals in a row park a task for an operator to look at. With the waits between them
/// that takes half a minute or more, so calls misrouted during a deployment park none.
pub const REFUSALS_MAX: u32 = 12;

/// The longest error text that is kept, in characters.
const ERROR_CHARS_MAX: usize = 500;
/// The wait after the first failure; it doubles from there.
const WAIT_FIRST_MS: u64 = 200;
/// The longest wait between two attempts: however long another service was down, its tasks are
/// retried soon after it is back.
const WAIT_MAX_MS: u64 = 10_000;

/// What another service has to do because an order moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskKind {
    /// Inventory releases the order's stock and fences it against a late deduction.
    Release,
    /// Inventory commits the order's stock: it has left.
    Commit,
    /// Payment refunds the order's money.
    Refund,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Release, Self::Commit, Self::Refund];
    /// Those that inventory carries out.
    pub const OF_INVENTORY: [Self; 2] = [Self::Release, Self::Commit];
    /// Those that payment carries out.
    pub const OF_PAYMENT: [Self; 1] = [Self::Refund];

    /// The number in the database.
    pub const fn number(self) -> i32 {
        match self {
            Self::Release => 1,
            Self::Commit => 2,
            Self::Refund => 3,
        }
    }

    /// Reads the number; `None` where it is no kind.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| i64::from(kind.number()) == number)
    }

    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Commit => "commit",
            Self::Refund => "refund",
        }
    }
}

/// Which task: an order has at most one of a kind, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// The order it is for; for a refund the order may not exist.
    pub order_id: OrderId,
    /// What is to be done.
    pub kind: TaskKind,
}

/// A row of the outbox: recorded with the transition that asks for it, tried until it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which one.
    pub key: TaskKey,
    /// The order's number, the key in inventory; `None` for money that came for an unknown order.
    pub order_no: Option<OrderNo>,
    /// Failed attempts so far.
    pub attempts: u32,
    /// How many of the latest attempts in a row were definitely refused.
    pub refusals: u32,
    /// When it may be claimed. Claiming moves this ahead, which makes it the lease.
    pub due_at: UnixMillis,
    /// Whether it waits for an operator.
    pub parked: bool,
    /// The error of the latest failed attempt.
    pub last_error: Option<String>,
    /// When the transition happened.
    pub created_at: UnixMillis,
}

impl Task {
    /// A task leased to whoever records it, to run at once: nobody else claims it before `due_at`.
    pub fn new(
        key: TaskKey,
        order_no: Option<OrderNo>,
        at: UnixMillis,
        due_at: UnixMillis,
    ) -> Self {
        Self {
            key,
            order_no,
            attempts: 0,
            refusals: 0,
            due_at,
            parked: false,
            last_error: None,
            created_at: at,
        }
    }
}

/// The part of an error's text that is kept with the task.
pub(super) fn kept_error(error: &str) -> String {
    error.chars().take(ERROR_CHARS_MAX).collect()
}

/// How long to wait after failure number `attempts` (from 1): exponential backoff, 200 ms to 10 s,
/// with jitter in its upper half, so that tasks that failed together are not retried together.
///
/// The jitter comes from the task's own key: the same history gives the same waits.
pub fn retry_wait(key: TaskKey, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let full = WAIT_FIRST_MS
        .saturating_mul(1 << doublings)
        .min(WAIT_MAX_MS);
    let half = full.div_euclid(2);
    let dice = scramble(key.order_id.get() ^ (u64::from(attempts) << 54));
    Duration::from_millis(half.saturating_add(dice.rem_euclid(half.saturating_add(1))))
}

/// The finaliser of `SplitMix64`: turns neighbouring seeds into unrelated values.
const fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    //! Proves that waits grow, stay bounded, spread and repeat.

    use super::*;

    fn key(order: u64) -> TaskKey {
        TaskKey {
            order_id: OrderId::new(order).unwrap(),
            kind: TaskKind::Release,
        }
    }

    #[test]
    fn waits_double_up_to_the_cap_and_never_vanish() {
        for (attempts, full_ms) in [
            (1, 200),
            (2, 400),
            (3, 800),
            (6, 6_400),
            (7, 10_000),
            (u32::MAX, 10_000),
        ] {
            for order in 1..200 {
                let wait = retry_wait(key(order), attempts);
                assert!(
                    wait >= Duration::from_millis(full_ms / 2),
                    "{attempts}: {wait:?}"
                );
                assert!(
                    wait <= Duration::from_millis(full_ms),
                    "{attempts}: {wait:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_parked_within_half_a_minute() {
        for order in 1..200 {
            let waits = (1..REFUSALS_MAX).map(|attempts| retry_wait(key(order), attempts));
            assert!(waits.sum::<Duration>() >= Duration::from_secs(30));
        }
    }

    #[test]
    fn tasks_that_failed_together_come_back_apart() {
        let mut waits: Vec<_> = (1..=100).map(|order| retry_wait(key(order), 9)).collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 90, "{} different waits", waits.len());
        assert_eq!(retry_wait(key(7), 3), retry_wait(key(7), 3));
    }

    #[test]
    fn kinds_read_back() {
        for kind in TaskKind::ALL {
            assert_eq!(TaskKind::from_number(i64::from(kind.number())), Some(kind));
        }
        assert_eq!(TaskKind::from_number(0), None);
    }
}
