use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

/// A moment: milliseconds since 1970-01-01 UTC. Stored as such; the wire has whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(i64);

impl UnixMillis {
    /// Takes milliseconds since the epoch.
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, as on the wire.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `wait` later, saturating.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// The moment `wait` earlier, saturating.
    #[must_use]
    pub fn minus(self, wait: Duration) -> Self {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// The UTC calendar as `yyyyMMddHHmmss`, the middle of order and payment numbers. Always 14 digits:
    /// a moment whose year does not have four digits gives those of the epoch.
    pub fn calendar_digits(self) -> String {
        let moment = OffsetDateTime::from_unix_timestamp(self.seconds())
            .ok()
            .filter(|moment| moment.year() >= 0)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        moment
            .format(format_description!(
                "[year][month][day][hour][minute][second]"
            ))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_as_calendar_digits_and_floor_to_seconds() {
        let moment = UnixMillis::new(1_795_355_045_999);
        assert_eq!(moment.seconds(), 1_795_355_045);
        assert_eq!(moment.calendar_digits(), "20261122134405");
        assert_eq!(UnixMillis::new(-1).seconds(), -1);
        for far in [i64::MIN, -150_000_000_000_000, i64::MAX] {
            assert_eq!(UnixMillis::new(far).calendar_digits(), "19700101000000");
        }
        assert_eq!(
            moment.plus(Duration::from_secs(1)).since(moment).as_secs(),
            1
        );
        assert_eq!(
            moment.since(moment.plus(Duration::from_secs(1))),
            Duration::ZERO
        );
    }
}
