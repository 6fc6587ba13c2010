//! Ids to create orders under, each covered by an intent that was written down before.
//!
//! One intent covers many ids, so what makes a creation safe costs it a share of a commit. An id is
//! handed out only while its intent is fresh: its saga then ends before the lease does. An intent is
//! closed when it is used up or stale and all its ids are settled; one with an id that nobody could
//! settle stays for recovery.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platform::clock::SharedClock;
use platform::combiner::WriteError;
use platform::db::DbError;
use platform::deadline::Deadline;
use platform::ids::IdAllocator;
use platform::tasks::Tasks;
use types::{OrderId, OrderNo};

use crate::app::BACKGROUND_LIMIT;
use crate::domain::{Intent, IntentStep};
use crate::store::Writer;

/// How long ids are handed out under an intent at the most: by so much an order's number may be older than the
/// order.
const FRESH_FOR_MAX: Duration = Duration::from_secs(1);
/// The most ids of one intent: what a crash under full load leaves to recovery.
const LEN_MAX: u64 = 1024;

/// Hands out ids that are covered.
pub(crate) struct Intents {
    ids: Arc<IdAllocator>,
    writer: Writer,
    clock: SharedClock,
    tasks: Tasks,
    lease: Duration,
    fresh_for: Duration,
    /// Held while an intent is being opened, so that those who wait share it.
    opening: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// An id that is covered. Dropped before it is settled, it leaves its intent to recovery.
#[must_use]
pub(super) struct Covered {
    pub(super) id: OrderId,
    pub(super) order_no: OrderNo,
    /// The first id of the intent.
    pub(super) intent: OrderId,
}

impl Intents {
    pub(crate) fn new(
        ids: Arc<IdAllocator>,
        writer: Writer,
        clock: SharedClock,
        tasks: Tasks,
        lease: Duration,
    ) -> Self {
        Self {
            ids,
            writer,
            clock,
            tasks,
            lease,
            // The sagas, which take half a lease, have to end before it does.
            fresh_for: (lease / 4).min(FRESH_FOR_MAX),
            opening: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// The next id.
    ///
    /// # Errors
    /// Whatever the database says where an intent has to be opened for it; [`WriteError::TooLate`] at
    /// the deadline.
    pub(super) async fn next(&self, deadline: Deadline) -> Result<Covered, WriteError> {
        loop {
            if let Some(covered) = self.take() {
                return Ok(covered);
            }
            let opening = deadline.within(self.opening.lock()).await;
            let _turn = opening.map_err(|_| WriteError::TooLate)?;
            if let Some(covered) = self.take() {
                return Ok(covered);
            }
            self.open(deadline).await?;
        }
    }

    /// The id holds nothing, or has a row.
    pub(super) fn settle(&self, covered: &Covered) {
        let mut state = self.state();
        state.settle(covered.intent);
        let over = state.retire(|current| current.left.is_empty());
        let settled = state.take_settled(covered.intent);
        drop(state);
        self.close_soon(over);
        self.close_soon(settled);
    }

    /// Hands out no more ids of an intent that recovery has taken over.
    pub(super) fn abandon(&self, first: OrderId) {
        self.state().forget(first);
    }

    /// Gives up an intent that is no longer fresh, and closes it if its ids are settled.
    pub(crate) async fn retire_stale(&self) {
        let stale = self.state().retire(|current| self.is_stale(current));
        if let Some(first) = stale {
            close(&self.writer, first).await;
        }
    }

    /// Closes what is settled: no ids are asked for any more.
    pub(crate) async fn close(&self) {
        let over = self.state().retire_all();
        for first in over {
            close(&self.writer, first).await;
        }
    }

    fn take(&self) -> Option<Covered> {
        let mut state = self.state();
        let over = state.retire(|current| current.left.is_empty() || self.is_stale(current));
        let covered = state.take();
        drop(state);
        self.close_soon(over);
        covered
    }

    async fn open(&self, deadline: Deadline) -> Result<(), WriteError> {
        let len = self.state().next_len();
        let ids = self.ids.next_range(len, deadline).await?;
        let used_up = || DbError::Broken("order ids are used up".to_owned());
        let id = |value| OrderId::new(value).ok_or_else(used_up);
        let at = self.clock.now();
        let intent = Intent {
            first: id(ids.start)?,
            last: id(ids.end.saturating_sub(1))?,
            numbered_at: at,
            lease_until: at.plus(self.lease),
            written: 0,
            recovering: false,
        };
        let fresh_until = Deadline::after(self.fresh_for);
        let (first, open) = (intent.first, IntentStep::Open(intent));
        if !self.writer.move_intent(first, open, deadline).await? {
            return Err(DbError::Broken("an intent under used ids".to_owned()).into());
        }
        self.state().begin(Current {
            intent,
            left: ids,
            fresh_until,
        });
        Ok(())
    }

    /// By the clock of leases, too: it may have been set.
    fn is_stale(&self, current: &Current) -> bool {
        let age = self.clock.now().since(current.intent.numbered_at);
        current.fresh_until.has_passed() || age >= self.fresh_for
    }

    fn close_soon(&self, first: Option<OrderId>) {
        if let Some(first) = first {
            let writer = self.writer.clone();
            let closing = async move { close(&writer, first).await };
            self.tasks.spawn("close_intent", closing);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn close(writer: &Writer, first: OrderId) {
    let deadline = Deadline::after(BACKGROUND_LIMIT);
    let closed = writer.move_intent(first, IntentStep::Close, deadline).await;
    if let Err(error) = closed {
        tracing::debug!(%error, "an intent is left to recovery");
    }
}

/// Which ids are handed out, and which of those are not settled.
#[derive(Default)]
struct State {
    current: Option<Current>,
    /// Of each intent that is not closed yet, by its first id: how many of the ids handed out are not settled.
    unsettled: BTreeMap<OrderId, u64>,
    /// How many ids the last one had.
    len: u64,
    /// Until when it would have been fresh, if it was used up.
    used_up_before: Option<Deadline>,
}

/// The intent whose ids are being handed out.
struct Current {
    intent: Intent,
    left: Range<u64>,
    fresh_until: Deadline,
}

impl State {
    /// How many ids the next one needs: as many as are used up in the time, and one alone where orders come one
    /// by one, so that ids have few gaps.
    fn next_len(&mut self) -> u64 {
        let used_up = self.used_up_before.take();
        let in_time = used_up.is_some_and(|fresh_until| !fresh_until.has_passed());
        let len = if in_time {
            self.len.saturating_mul(2)
        } else {
            self.len / 2
        };
        self.len = len.clamp(1, LEN_MAX);
        self.len
    }

    fn begin(&mut self, current: Current) {
        self.unsettled.insert(current.intent.first, 0);
        self.current = Some(current);
    }

    fn take(&mut self) -> Option<Covered> {
        let current = self.current.as_mut()?;
        let intent = current.intent;
        let id = OrderId::new(current.left.next()?)?;
        let unsettled = self.unsettled.entry(intent.first).or_default();
        *unsettled = unsettled.saturating_add(1);
        Some(Covered {
            id,
            order_no: intent.number(id),
            intent: intent.first,
        })
    }

    fn settle(&mut self, first: OrderId) {
        if let Some(unsettled) = self.unsettled.get_mut(&first) {
            *unsettled = unsettled.saturating_sub(1);
        }
    }

    /// Hands out no more ids of the current intent, if `is_over` says so; answers it where it is settled.
    fn retire(&mut self, is_over: impl Fn(&Current) -> bool) -> Option<OrderId> {
        let current = self.current.take_if(|current| is_over(current))?;
        let used_up = current.left.is_empty();
        self.used_up_before = used_up.then_some(current.fresh_until);
        self.take_settled(current.intent.first)
    }

    /// Hands out no more ids; answers the intents that are settled.
    fn retire_all(&mut self) -> Vec<OrderId> {
        self.current = None;
        let settled = self
            .unsettled
            .extract_if(.., |_, unsettled| *unsettled == 0);
        settled.map(|(first, _)| first).collect()
    }

    /// The intent, if no more ids are handed out under it and all are settled; only once.
    fn take_settled(&mut self, first: OrderId) -> Option<OrderId> {
        let current = self.current.as_ref();
        if current.is_some_and(|current| current.intent.first == first)
            || self.unsettled.get(&first) != Some(&0)
        {
            return None;
        }
        self.unsettled.remove(&first).map(|_| first)
    }

    fn forget(&mut self, first: OrderId) {
        self.current
            .take_if(|current| current.intent.first == first);
        self.unsettled.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    //! Proves that an intent is closed once, when no more ids are handed out under it and all are settled; and how
    //! many ids the next one has.

    use types::UnixMillis;

    use super::*;

    fn id(id: u64) -> OrderId {
        OrderId::new(id).unwrap()
    }

    fn current(ids: Range<u64>, fresh_for: Duration) -> Current {
        Current {
            intent: Intent {
                first: id(ids.start),
                last: id(ids.end - 1),
                numbered_at: UnixMillis::new(0),
                lease_until: UnixMillis::new(7_000),
                written: 0,
                recovering: false,
            },
            left: ids,
            fresh_until: Deadline::after(fresh_for),
        }
    }

    fn is_used_up(current: &Current) -> bool {
        current.left.is_empty()
    }

    #[test]
    fn an_intent_is_closed_when_it_is_used_up_and_the_last_of_its_ids_is_settled() {
        let mut state = State::default();
        state.begin(current(1..3, Duration::from_mins(1)));
        let handed_out = [state.take(), state.take()].map(|covered| covered.map(|c| c.id));
        assert_eq!(handed_out, [Some(id(1)), Some(id(2))]);
        assert!(state.take().is_none());
        state.settle(id(1));
        assert_eq!(state.retire(is_used_up), None, "one is not settled");
        state.settle(id(1));
        assert_eq!(state.take_settled(id(1)), Some(id(1)));
        assert_eq!(state.take_settled(id(1)), None, "once");
    }

    #[test]
    fn an_intent_that_may_be_asked_for_more_ids_is_not_closed() {
        let mut state = State::default();
        state.begin(current(1..3, Duration::from_mins(1)));
        let _covered = state.take();
        state.settle(id(1));
        assert_eq!(state.retire(is_used_up), None);
        assert_eq!(state.take_settled(id(1)), None);
        assert_eq!(state.retire(|_| true), Some(id(1)), "it is stale");
    }

    #[test]
    fn at_the_end_all_are_closed_but_those_with_an_id_in_doubt() {
        let mut state = State::default();
        state.begin(current(1..2, Duration::from_mins(1)));
        let _in_doubt = state.take();
        assert_eq!(state.retire(is_used_up), None);
        state.begin(current(2..9, Duration::from_mins(1)));
        assert_eq!(state.retire_all(), [id(2)]);
        assert!(state.take().is_none());
        assert_eq!(state.retire_all(), []);
    }

    #[test]
    fn what_recovery_has_taken_is_neither_handed_out_nor_closed() {
        let mut state = State::default();
        state.begin(current(1..9, Duration::from_mins(1)));
        let _covered = state.take();
        state.forget(id(1));
        assert!(state.take().is_none());
        state.settle(id(1));
        assert_eq!(state.take_settled(id(1)), None);
    }

    #[test]
    fn the_next_one_has_twice_as_many_ids_where_they_were_used_up_in_time_and_else_half() {
        let mut state = State::default();
        let mut open = |is_used_up, fresh_for| {
            let len = state.next_len();
            let mut opened = current(1..1 + len, fresh_for);
            if is_used_up {
                opened.left = 1 + len..1 + len;
            }
            state.begin(opened);
            state.retire(|_| true);
            len
        };
        let (in_time, late) = (Duration::from_mins(1), Duration::ZERO);
        let grown: Vec<_> = (0..12).map(|_| open(true, in_time)).collect();
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024]);
        assert_eq!(open(true, late), 1024);
        assert_eq!([open(false, in_time), open(false, in_time)], [512, 256]);
        let shrunk: Vec<_> = (0..9).map(|_| open(true, late)).collect();
        assert_eq!(shrunk, [128, 64, 32, 16, 8, 4, 2, 1, 1]);
    }
}
