use std::net::SocketAddr;
use std::time::Duration;

use platform::config::{ConfigError, QueueUrl, ServiceUrl, human_duration};
use platform::db::DatabaseUrl;
use serde::Deserialize;

/// The longest payment timeout: the deadline must stay a date that databases can store.
const PAYMENT_TIMEOUT_MAX: Duration = Duration::from_hours(366 * 24);

/// The `order` section of the configuration; defaults are in `bookstore.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// Its database.
    pub database: DatabaseUrl,
    /// Where the delay queue is.
    pub delay_queue: QueueUrl,
    /// How long an order waits for its payment.
    #[serde(with = "human_duration")]
    pub payment_timeout: Duration,
    /// Where the catalog is.
    pub catalog: ServiceUrl,
    /// Where the inventory is.
    pub inventory: ServiceUrl,
    /// Where payment is.
    pub payment: ServiceUrl,
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first mistake, naming the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.payment_timeout.is_zero() || self.payment_timeout > PAYMENT_TIMEOUT_MAX {
            return Err(ConfigError::new(
                "order.payment_timeout",
                "must be longer than 0, and 366 days at the most",
            ));
        }
        Ok(())
    }
}

/// Every interval and limit of the service's workers and sagas.
///
/// What a killed replica held is taken over within 10 s: each lease plus the interval at which
/// others look for expired ones stays well below that.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long an order waits for its payment.
    pub payment_timeout: Duration,
    /// How long a CREATING order, or an intent, is leased to its creator; then recovery calls the creation off.
    pub creation_lease: Duration,
    /// How long a saga asks again for stock whose deduction is in doubt, before it calls the
    /// creation off.
    pub settle_limit: Duration,
    /// How long after a book was short its balance is still read before an order of it asks for
    /// stock.
    pub short_books_for: Duration,
    /// How long a claimed task is leased. Longer than one call may take.
    pub task_lease: Duration,
    /// How long a claimed deadline is leased.
    pub expiry_lease: Duration,
    /// How long the lease on following the payment feed lasts, unless it is renewed.
    pub feed_lease: Duration,
    /// How often the delay queue is asked for what is due.
    pub expire_every: Duration,
    /// How often due tasks are looked for.
    pub run_tasks_every: Duration,
    /// How often CREATING orders and intents whose lease ran out are looked for.
    pub recover_every: Duration,
    /// How often the database is searched for deadlines that the delay queue lost.
    pub sweep_every: Duration,
    /// How often a replica asks for the feed's lease, and the holder renews it.
    pub follow_every: Duration,
    /// How long to wait before a feed that broke off is opened again.
    pub reopen_feed_after: Duration,
    /// How often figures for operators are counted.
    pub measure_every: Duration,
}

impl Timing {
    /// The timing of a service whose orders wait `payment_timeout` for their payment.
    pub const fn standard(payment_timeout: Duration) -> Self {
        Self {
            payment_timeout,
            creation_lease: Duration::from_secs(7),
            settle_limit: Duration::from_secs(3),
            short_books_for: Duration::from_secs(1),
            task_lease: Duration::from_secs(5),
            expiry_lease: Duration::from_secs(2),
            feed_lease: Duration::from_secs(6),
            expire_every: Duration::from_millis(100),
            run_tasks_every: Duration::from_millis(250),
            recover_every: Duration::from_secs(1),
            sweep_every: Duration::from_secs(5),
            follow_every: Duration::from_secs(2),
            reopen_feed_after: Duration::from_millis(500),
            measure_every: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_replica_held_is_looked_for_within_ten_seconds() {
        let timing = Timing::standard(Duration::from_mins(15));
        let held = [
            (timing.creation_lease, timing.recover_every),
            (timing.task_lease, timing.run_tasks_every),
            (timing.expiry_lease, timing.expire_every),
            (timing.feed_lease, timing.follow_every),
        ];
        // The rest is for the work itself.
        for (lease, looked_for_every) in held {
            assert!(lease + looked_for_every <= Duration::from_secs(8));
        }
    }
}
