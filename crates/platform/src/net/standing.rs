//! Outlier ejection: when an endpoint gets no more calls, and for how long. Rules without I/O and without a clock.

use std::time::Duration;

use tokio::time::Instant;

/// This many UNAVAILABLE in a row eject an endpoint: a single one may be about the request.
const UNAVAILABLE_MAX: u32 = 3;
/// How long an ejected endpoint is left alone before it is probed; doubles with every setback in a row.
const REST_MIN: Duration = Duration::from_millis(100);
const REST_MAX: Duration = Duration::from_secs(5);

/// What a call or a probe revealed about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered, if only with a refusal.
    Answered,
    /// It answered that the deadline passed: it is alive, and that is all.
    Late,
    /// It answered UNAVAILABLE.
    Unavailable,
    /// There is no connection to it, or the connection broke.
    Broken,
    /// A probe was not told that it serves: it is frozen, or draining.
    Silent,
    /// A probe found it healthy.
    Well,
}

/// What a sign changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that others need to know.
    None,
    /// The endpoint is ejected from now on.
    Ejected,
    /// The endpoint gets calls again from now on.
    Readmitted,
}

/// An endpoint's ejection state.
#[derive(Debug, Default)]
pub(super) struct Standing {
    unavailable: u32,
    /// Ejections and failed probes since a call was last answered.
    setbacks: u32,
    is_ejected: bool,
    heard: Option<Instant>,
}

impl Standing {
    pub(super) const fn is_ejected(&self) -> bool {
        self.is_ejected
    }

    /// Whether anything was heard since `moment`.
    pub(super) fn was_heard_since(&self, moment: Instant) -> bool {
        self.heard.is_some_and(|heard| heard >= moment)
    }

    /// How long to leave the endpoint alone before the next probe.
    pub(super) fn rest(&self) -> Duration {
        let doublings = self.setbacks.saturating_sub(1);
        REST_MIN
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(REST_MAX)
    }

    /// Records `sign`; returns what it changed.
    pub(super) fn note(&mut self, sign: Sign, now: Instant) -> Change {
        if !matches!(sign, Sign::Broken | Sign::Silent) {
            self.heard = Some(now);
        }
        match sign {
            Sign::Answered => {
                // Only an answered call clears the setbacks: an endpoint can pass probes and still be useless.
                self.setbacks = 0;
                self.unavailable = 0;
                self.readmit()
            }
            Sign::Well => self.readmit(),
            Sign::Late => Change::None,
            Sign::Unavailable => {
                self.unavailable = self.unavailable.saturating_add(1);
                if self.unavailable >= UNAVAILABLE_MAX {
                    self.eject()
                } else {
                    Change::None
                }
            }
            Sign::Broken | Sign::Silent => self.eject(),
        }
    }

    /// Records that a probe of an ejected endpoint failed.
    pub(super) fn note_failed_probe(&mut self) {
        self.setbacks = self.setbacks.saturating_add(1);
    }

    fn eject(&mut self) -> Change {
        if self.is_ejected {
            return Change::None;
        }
        self.is_ejected = true;
        self.setbacks = self.setbacks.saturating_add(1);
        Change::Ejected
    }

    fn readmit(&mut self) -> Change {
        if !self.is_ejected {
            return Change::None;
        }
        self.is_ejected = false;
        self.unavailable = 0;
        Change::Readmitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note_all(standing: &mut Standing, signs: &[Sign]) -> Vec<Change> {
        let now = Instant::now();
        signs.iter().map(|sign| standing.note(*sign, now)).collect()
    }

    #[test]
    fn a_broken_or_silent_endpoint_is_ejected_at_once() {
        for sign in [Sign::Broken, Sign::Silent] {
            let mut standing = Standing::default();
            assert_eq!(
                note_all(&mut standing, &[sign, sign]),
                [Change::Ejected, Change::None]
            );
            assert!(standing.is_ejected());
        }
    }

    #[test]
    fn only_unavailable_in_a_row_ejects() {
        use Sign::{Answered, Late, Unavailable};
        let mut standing = Standing::default();
        let mixed = [
            Unavailable,
            Unavailable,
            Answered,
            Unavailable,
            Late,
            Unavailable,
        ];
        assert_eq!(note_all(&mut standing, &mixed), [Change::None; 6]);
        assert_eq!(note_all(&mut standing, &[Unavailable]), [Change::Ejected]);
    }

    #[test]
    fn rests_grow_until_a_call_is_answered() {
        let mut standing = Standing::default();
        let mut rests = Vec::new();
        for _ in 0..8 {
            note_all(&mut standing, &[Sign::Broken]);
            rests.push(standing.rest().as_millis());
            // Healthy by its own account, and broken again at the next call.
            assert_eq!(note_all(&mut standing, &[Sign::Well]), [Change::Readmitted]);
        }
        assert_eq!(rests, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        note_all(&mut standing, &[Sign::Answered, Sign::Silent]);
        assert_eq!(standing.rest(), REST_MIN);
        standing.note_failed_probe();
        assert_eq!(standing.rest(), REST_MIN * 2);
    }

    #[test]
    fn only_what_speaks_is_heard() {
        let mut standing = Standing::default();
        let begin = Instant::now();
        note_all(&mut standing, &[Sign::Broken, Sign::Silent]);
        assert!(!standing.was_heard_since(begin));
        note_all(&mut standing, &[Sign::Late]);
        assert!(standing.was_heard_since(begin));
    }
}
