//! How late the machine itself is, for the few tests that compare stamps with a promise.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use platform::clock::pause;

/// How long the sleeper sleeps that is woken too late.
const BEAT: Duration = Duration::from_millis(20);
/// About how often work goes from one process to another on its way to a stamp.
const HAND_OVERS: u32 = 10;

/// The worst delay of this machine while it was watched.
///
/// Services keep their promises on machines that have time for them. On one that is given far too much
/// to do everything is late by nobody's fault, and by about so much.
#[derive(Debug, Default)]
pub struct Pace {
    worst_us: AtomicU64,
}

impl Pace {
    /// Runs `story`, and watches meanwhile.
    pub async fn watch<T>(&self, story: impl Future<Output = T>) -> T {
        tokio::select! {
            told = story => told,
            never = self.beat() => match never {},
        }
    }

    async fn beat(&self) -> Infallible {
        loop {
            let lay_down = Instant::now();
            pause(BEAT).await;
            let late = lay_down.elapsed().saturating_sub(BEAT);
            let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            self.worst_us.fetch_max(late_us, Ordering::Relaxed);
        }
    }

    /// What `promised` comes to on this machine: ten times its worst delay more.
    pub fn stretch(&self, promised: Duration) -> Duration {
        let worst = Duration::from_micros(self.worst_us.load(Ordering::Relaxed));
        promised.saturating_add(worst.saturating_mul(HAND_OVERS))
    }
}
