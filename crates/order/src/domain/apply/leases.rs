//! Leases: one replica at a time.

use std::sync::Arc;

use crate::domain::{Lease, LeaseStep, Rows};

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
                let free = mine || current.is_none_or(|lease| lease.until <= *at);
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
