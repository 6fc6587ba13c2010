//! Follows the healthy instances of one service by blocking queries.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::agent::{Agent, Snapshot};
use crate::clock;
use crate::discovery::Address;
use crate::random;

/// The first wait after a failure; it doubles up to [`WAIT_MAX`].
const WAIT_MIN: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(5);
/// The shortest pause between two queries, however often instances come and go.
const BREATH: Duration = Duration::from_millis(100);
/// The same if the agent answers without an index, so that queries do not block.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Keeps `known` in line with what the agent says of `service`, until its last receiver is dropped.
pub(super) async fn follow(
    agent: Arc<Agent>,
    service: String,
    known: watch::Sender<Arc<[Address]>>,
) {
    let following = async {
        let (mut index, mut failures) = (0, 0_u32);
        loop {
            let wait = match agent.read_healthy(&service, index).await {
                Ok(snapshot) => {
                    if failures > 0 {
                        tracing::info!(service, agent = %agent.url(), "consul answers again");
                    }
                    failures = 0;
                    index = next_index(index, snapshot.index);
                    publish(&service, &known, snapshot);
                    if index == 0 { POLL_EVERY } else { BREATH }
                }
                Err(error) => {
                    // Logged once per outage, not once per try: calls go on with the last list.
                    if failures == 0 {
                        tracing::warn!(service, %error, "instances stay as they were last known");
                    }
                    metrics::counter!("bookstore_consul_failures_total").increment(1);
                    failures = failures.saturating_add(1);
                    // An agent that comes back may count from the beginning.
                    index = 0;
                    backoff(failures)
                }
            };
            clock::pause(wait).await;
        }
    };
    tokio::select! {
        () = known.closed() => {}
        () = following => {}
    }
}

/// An index that went back means that the agent started over: ask without one.
const fn next_index(asked: u64, answered: u64) -> u64 {
    if answered < asked { 0 } else { answered }
}

fn backoff(failures: u32) -> Duration {
    let doubled = WAIT_MIN.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    // Jitter: replicas that lost the agent together must not come back to it together.
    let longest = doubled.min(WAIT_MAX);
    random::wait_between(longest / 4 * 3, longest)
}

fn publish(service: &str, known: &watch::Sender<Arc<[Address]>>, snapshot: Snapshot) {
    known.send_if_modified(|list| {
        if snapshot.addresses.is_empty() && !list.is_empty() {
            tracing::warn!(
                service,
                "consul knows no healthy instance; asking the last known ones"
            );
            return false;
        }
        if **list == *snapshot.addresses {
            return false;
        }
        tracing::info!(service, instances = ?snapshot.addresses, "instances changed");
        *list = snapshot.addresses.into();
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_went_back_begins_anew() {
        assert_eq!(next_index(0, 7), 7);
        assert_eq!(next_index(7, 9), 9);
        assert_eq!(next_index(9, 7), 0);
        assert_eq!(next_index(9, 0), 0);
    }

    #[test]
    fn failures_are_waited_out_longer_and_longer() {
        assert!(backoff(1) <= WAIT_MIN);
        assert!(backoff(3) > WAIT_MIN);
        assert!(backoff(u32::MAX) <= WAIT_MAX);
    }
}
