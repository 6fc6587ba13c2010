//! Leases: one replica at a time.

use std::sync::Arc;

use types::UnixMillis;

use crate::domain::{Lease, LeaseStep, Rows};

/// Whether a lease that ends at `end` is over for somebody who asks at `at` for one until `until`.
///
/// One far longer than anybody asks for was written by a clock that was ahead, and its holder may
/// be gone. Up to twice the length is allowed, for clock skew.
fn has_run_out(end: UnixMillis, at: UnixMillis, until: UnixMillis) -> bool {
    let usual = until.since(at);
    end <= at || end > at.plus(usual.saturating_mul(2))
}

impl Rows {
    /// Whether `holder` holds the lease after the step.
    pub(super) fn move_lease(
        &mut self,
        name: &'static str,
        holder: &Arc<str>,
        step: &LeaseStep,
    ) -> bool {
        let current = self.leases.get(&name);
        let mine = current.is_some_and(|lease| lease.holder == *holder);
        match step {
            LeaseStep::Take { at, until } => {
                let free =
                    mine || current.is_none_or(|lease| has_run_out(lease.until, *at, *until));
                if free {
                    self.leases.put(
                        name,
                        Lease {
                            holder: Arc::clone(holder),
                            until: *until,
                        },
                    );
                }
                free
            }
            LeaseStep::Free => {
                if mine {
                    self.leases.remove(&name);
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves when a lease is over: at its end, and at once where it lasts longer than anybody asks for.

    use super::*;

    #[test]
    fn a_lease_is_over_at_its_end_or_where_it_has_none_in_sight() {
        let at = UnixMillis::new;
        for (end, is_over) in [
            (999, true),
            (1_000, true),
            (1_001, false),
            (1_200, false),
            (1_201, true),
            (i64::MAX, true),
        ] {
            assert_eq!(has_run_out(at(end), at(1_000), at(1_100)), is_over, "{end}");
        }
    }
}
