//! When the next operation is due.
//!
//! Closed loop: at once, whenever a buyer is free. Open loop: at fixed moments, whatever the answers do.
//! An operation that is due while all buyers wait is taken up late, and its latency counts from when it
//! was due all the same. So a stall is charged to everybody whom it held up, and not only to those
//! few who were being answered (no coordinated omission).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The alarm looks at least this often whether the run is over.
const ALARM_WAIT_MAX: Duration = Duration::from_millis(50);

/// Hands out operations until the run is closed.
pub(super) struct Pace {
    closed: CancellationToken,
    schedule: Option<Schedule>,
}

/// The moments of an open loop.
struct Schedule {
    start: Instant,
    rate: NonZeroU32,
    /// A permit for every operation that is due and not taken.
    due: Semaphore,
    taken: AtomicU64,
}

impl Pace {
    /// Operations at once, or `rate` of them a second from `start` on.
    pub(super) fn new(rate: Option<NonZeroU32>, start: Instant) -> Self {
        let schedule = rate.map(|rate| Schedule {
            start,
            rate,
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
        });
        Self {
            closed: CancellationToken::new(),
            schedule,
        }
    }

    /// Sets the alarm that makes operations due; a closed loop needs none.
    ///
    /// A thread of its own: it wakes within some 60 µs of the moment, the runtime's timers within a
    /// millisecond.
    pub(super) fn set_alarm(self: &Arc<Self>) -> std::io::Result<()> {
        if self.schedule.is_some() {
            let pace = Arc::clone(self);
            thread::Builder::new()
                .name("load-pace".to_owned())
                .spawn(move || pace.ring())?;
        }
        Ok(())
    }

    /// The moment at which the next operation is, or was, due; `None` once the run is closed.
    pub(super) async fn next(&self) -> Option<Instant> {
        let Some(schedule) = &self.schedule else {
            return (!self.closed.is_cancelled()).then(Instant::now);
        };
        schedule.due.acquire().await.ok()?.forget();
        let number = schedule.taken.fetch_add(1, Ordering::Relaxed);
        Some(schedule.due_at(number))
    }

    /// Ends the run: nothing more is handed out.
    pub(super) fn close(&self) {
        self.closed.cancel();
        if let Some(schedule) = &self.schedule {
            schedule.due.close();
        }
    }

    /// When each operation was due that nobody had taken up by `end`; the run is closed.
    pub(super) fn left_over(&self, end: Instant) -> impl Iterator<Item = Instant> {
        let schedule = self.schedule.as_ref();
        schedule.into_iter().flat_map(move |schedule| {
            let taken = schedule.taken.load(Ordering::Relaxed);
            (taken..schedule.due_by(end)).map(|number| schedule.due_at(number))
        })
    }

    fn ring(&self) {
        let Some(schedule) = &self.schedule else {
            return;
        };
        let mut rung = 0;
        while !self.closed.is_cancelled() {
            let now = Instant::now();
            let due = schedule.due_by(now);
            // Permits are counted in half a usize; who is that far behind learns it all the same.
            let more = usize::try_from(due.saturating_sub(rung)).unwrap_or(0);
            schedule
                .due
                .add_permits(more.min(Semaphore::MAX_PERMITS / 2));
            rung = due;
            let wait = schedule.due_at(due).saturating_duration_since(now);
            thread::park_timeout(wait.min(ALARM_WAIT_MAX));
        }
    }
}

impl Schedule {
    /// The moment of the operation `number`, counted from 0.
    fn due_at(&self, number: u64) -> Instant {
        self.start + Duration::from_secs(number) / self.rate.get()
    }

    /// How many are due by `now`.
    fn due_by(&self, now: Instant) -> u64 {
        let Some(since) = now.checked_duration_since(self.start) else {
            return 0;
        };
        let number = since.as_nanos() * u128::from(self.rate.get()) / 1_000_000_000;
        u64::try_from(number).unwrap_or(u64::MAX - 1) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_loop(rate: u32, start: Instant) -> (Pace, impl Fn(&Pace, usize)) {
        let pace = Pace::new(NonZeroU32::new(rate), start);
        let make_due = |pace: &Pace, count| pace.schedule.as_ref().unwrap().due.add_permits(count);
        (pace, make_due)
    }

    #[tokio::test]
    async fn operations_are_due_by_plan_however_late_they_are_taken_up() {
        let start = Instant::now();
        let (pace, make_due) = open_loop(1_000, start);
        make_due(&pace, 3);
        for number in 0..3 {
            let due = start + Duration::from_millis(number);
            assert_eq!(pace.next().await, Some(due));
        }
    }

    #[tokio::test]
    async fn what_nobody_took_up_is_known_with_its_moment() {
        let start = Instant::now();
        let (pace, make_due) = open_loop(10, start);
        make_due(&pace, 1);
        assert_eq!(pace.next().await, Some(start));
        pace.close();
        assert_eq!(pace.next().await, None);
        let end = start + Duration::from_millis(250);
        let left: Vec<_> = pace.left_over(end).map(|due| due - start).collect();
        assert_eq!(left, [100, 200].map(Duration::from_millis));
        assert_eq!(pace.left_over(start).count(), 0);
    }

    #[tokio::test]
    async fn the_alarm_makes_operations_due() -> anyhow::Result<()> {
        let start = Instant::now();
        let pace = Arc::new(Pace::new(NonZeroU32::new(2_000), start));
        pace.set_alarm()?;
        for number in 0..100 {
            let due = pace.next().await;
            assert_eq!(due, Some(start + Duration::from_micros(500 * number)));
            // Never before its time.
            assert!(due <= Some(Instant::now()));
        }
        pace.close();
        assert_eq!(pace.next().await, None);
        Ok(())
    }

    #[tokio::test]
    async fn a_closed_loop_is_always_due_until_it_is_closed() {
        let before = Instant::now();
        let pace = Pace::new(None, before);
        assert!(pace.next().await >= Some(before));
        assert_eq!(pace.left_over(Instant::now()).count(), 0);
        pace.close();
        assert_eq!(pace.next().await, None);
    }
}
