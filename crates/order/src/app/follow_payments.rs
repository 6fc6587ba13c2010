//! Following the payment feed: payments and refunds, wherever they were asked for.
//!
//! One replica follows at a time, under a lease; should two overlap for a moment, the cursor's row
//! lets only one of them apply an event. The cursor moves in the transaction that applies: nothing
//! is missed or applied twice, whoever dies when.

use std::sync::Arc;

use super::{App, BACKGROUND_LIMIT};
use crate::clients::Unanswered;
use crate::domain::{FeedEvent, Followed, LeaseStep, Op};
use crate::error::OrderError;
use futures::StreamExt;
use platform::clock::pause;
use platform::deadline::Deadline;

const LEASE: &str = "follow_payments";
/// How many events one transaction takes at the most.
const STEP_LEN: usize = 256;

/// Why following ended.
enum End {
    /// Another replica has the lease, or the service stops.
    GaveWay,
    /// The feed broke off, or could not be applied; it is opened again from the cursor.
    Broken,
}

impl App {
    /// One round: asks for the lease, and with it follows the feed until either is lost.
    pub(crate) async fn follow_payments(self: Arc<Self>) {
        // An outage is logged as a warning once, not at each retry.
        let mut is_told = false;
        while self.keep_lease().await {
            match self.follow_feed(&mut is_told).await {
                End::GaveWay => return,
                End::Broken => {}
            }
        }
    }

    /// Gives the lease back, so that another replica need not wait for its end.
    pub(crate) async fn stop_following(&self) {
        let free = self.lease_op(LeaseStep::Free);
        let freed = self
            .writer
            .move_lease(free, Deadline::after(BACKGROUND_LIMIT))
            .await;
        if let Err(error) = freed {
            tracing::warn!(%error, "the feed's lease runs out by itself");
        }
    }

    async fn follow_feed(&self, is_told: &mut bool) -> End {
        let stopping = self.tasks.stopping();
        let cursor = match self.store.feed_cursor().await {
            Ok(cursor) => cursor,
            Err(error) => return self.break_off(&error, is_told).await,
        };
        let feed = match self.payment.watch(cursor).await {
            Ok(feed) => feed,
            Err(error) => return self.break_off(&error, is_told).await,
        };
        let mut steps = feed.ready_chunks(STEP_LEN);
        let mut renewal = Deadline::after(self.timing.follow_every);
        loop {
            // Checked before the feed is polled: while catching up, the feed always has more.
            if renewal.has_passed() {
                if !self.keep_lease().await {
                    return End::GaveWay;
                }
                *is_told = false;
                renewal = Deadline::after(self.timing.follow_every);
            }
            let step = tokio::select! {
                biased;
                () = stopping.cancelled() => return End::GaveWay,
                step = steps.next() => step,
                () = pause(renewal.remaining()) => continue,
            };
            match step {
                None => {
                    let reason = "the feed ended".to_owned();
                    let error = Unanswered {
                        service: "payment",
                        reason,
                        late: false,
                    };
                    return self.break_off(&error, is_told).await;
                }
                Some(events) => {
                    if let Err(error) = self.apply_events(events).await {
                        return self.break_off(&error, is_told).await;
                    }
                }
            }
        }
    }

    /// Applies what has arrived, in one transaction. Events before a broken one are still applied.
    async fn apply_events(
        &self,
        arrived: Vec<Result<FeedEvent, Unanswered>>,
    ) -> Result<(), OrderError> {
        let mut events = Vec::with_capacity(arrived.len());
        let mut broken = None;
        for event in arrived {
            match event {
                Ok(event) => events.push(event),
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        if !events.is_empty() {
            self.take_step(events).await?;
        }
        broken.map_or(Ok(()), |error| Err(OrderError::NotRead(error)))
    }

    async fn take_step(&self, events: Vec<FeedEvent>) -> Result<(), OrderError> {
        let stamp = self.stamp();
        let newest = events.last().map(|event| event.created_at);
        let step = Op::Follow { events, stamp };
        match self
            .writer
            .follow(step, Deadline::after(BACKGROUND_LIMIT))
            .await?
        {
            Followed::Applied { tasks, applied, .. } => {
                let applied = u64::try_from(applied).unwrap_or(u64::MAX);
                metrics::counter!("bookstore_order_feed_events_total").increment(applied);
                if let Some(newest) = newest {
                    metrics::gauge!("bookstore_order_feed_lag_seconds")
                        .set(stamp.at.since(newest).as_secs_f64());
                }
                drop(self.runner.run_now(tasks));
                Ok(())
            }
            Followed::Gap { expected, got } => {
                metrics::counter!("bookstore_order_feed_gaps_total").increment(1);
                tracing::error!(
                    expected,
                    got,
                    "the payment feed has a gap; nothing was applied"
                );
                Err(OrderError::OutcomeUnknown(None))
            }
        }
    }

    /// Logs why the feed broke, and waits before it is opened again from the cursor.
    async fn break_off(&self, error: &(impl std::error::Error + Sync), is_told: &mut bool) -> End {
        let wait = pause(self.timing.reopen_feed_after);
        let waited = self.tasks.stopping().run_until_cancelled(wait).await;
        // Checked after the wait: in `up` payment stops at the same signal, maybe a little earlier.
        if *is_told || self.tasks.draining().is_cancelled() {
            tracing::debug!(%error, "the payment feed is away");
        } else {
            tracing::warn!(%error, "the payment feed broke off");
            *is_told = true;
        }
        match waited {
            Some(()) => End::Broken,
            None => End::GaveWay,
        }
    }

    /// Takes or renews the lease; returns whether this replica has it.
    async fn keep_lease(&self) -> bool {
        let at = self.clock.now();
        let take = LeaseStep::Take {
            at,
            until: at.plus(self.timing.feed_lease),
        };
        let deadline = Deadline::after(self.timing.follow_every);
        match self.writer.move_lease(self.lease_op(take), deadline).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%error, "the feed's lease could not be asked for");
                false
            }
        }
    }

    fn lease_op(&self, step: LeaseStep) -> Op {
        Op::Lease {
            name: LEASE,
            holder: Arc::clone(&self.holder),
            step,
        }
    }
}
