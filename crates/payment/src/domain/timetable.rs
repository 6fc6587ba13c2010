use std::time::Duration;

use types::UnixMillis;

/// The shortest and the longest wait between two checks of one attempt.
const WAIT_MIN: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Time for writing down what the gateway said, on top of the calls to it.
const LEASE_SLACK: Duration = Duration::from_secs(1);

/// When a gateway that did not answer is asked again.
#[derive(Debug, Clone, Copy)]
pub struct Timetable {
    gateway_timeout: Duration,
}

impl Timetable {
    /// A timetable for calls that are cut off after `gateway_timeout`.
    pub const fn new(gateway_timeout: Duration) -> Self {
        Self { gateway_timeout }
    }

    /// The longest that one call to a gateway may take.
    pub const fn gateway_timeout(self) -> Duration {
        self.gateway_timeout
    }

    /// How long a worker has an attempt to itself: a round is at most two calls, a charge and a
    /// query. A worker that died is replaced after this long.
    pub fn lease(self) -> Duration {
        self.gateway_timeout
            .saturating_mul(2)
            .saturating_add(LEASE_SLACK)
    }

    /// When to check next on an attempt that has been open since `opened_at`: after a quarter of
    /// the time it has been open, so that a brief doubt ends soon and a gateway that is down for
    /// hours is not pestered.
    pub fn next_check(self, opened_at: UnixMillis, now: UnixMillis) -> UnixMillis {
        let wait = now.since(opened_at).checked_div(4).unwrap_or(WAIT_MIN);
        now.plus(wait.clamp(WAIT_MIN, WAIT_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_asked_about_soon_and_then_ever_more_rarely() {
        let timetable = Timetable::new(Duration::from_secs(2));
        let opened_at = UnixMillis::new(1_000_000);
        let cases = [
            (0, 200),
            (800, 200),
            (4_000, 1_000),
            (60_000, 15_000),
            (86_400_000, 60_000),
        ];
        for (age_ms, wait_ms) in cases {
            let now = opened_at.plus(Duration::from_millis(age_ms));
            let next = timetable.next_check(opened_at, now);
            assert_eq!(
                next.since(now),
                Duration::from_millis(wait_ms),
                "open for {age_ms} ms"
            );
        }
    }

    #[test]
    fn a_clock_that_stepped_back_does_no_harm() {
        let timetable = Timetable::new(Duration::from_secs(2));
        let now = UnixMillis::new(1_000);
        let next = timetable.next_check(UnixMillis::new(9_000), now);
        assert_eq!(next.since(now), WAIT_MIN);
    }

    #[test]
    fn a_lease_outlasts_a_charge_and_a_query() {
        assert_eq!(
            Timetable::new(Duration::from_secs(2)).lease(),
            Duration::from_secs(5)
        );
    }
}
