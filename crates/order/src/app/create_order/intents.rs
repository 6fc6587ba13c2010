//! Ids to create orders under, each covered by an intent that was written first.
//!
//! One intent covers many ids, so each creation pays only a share of the commit that makes it safe.
//! An id is handed out only in the first half of its intent's lease: the saga, which takes half a
//! lease, then normally ends before recovery begins. (The first id goes to its opener even later.)
//! An intent is closed when it is used up or stale and all its ids are settled; one with an id that
//! could not be settled is left to recovery.

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

/// How long ids are handed out under an intent, or half its lease if that is less.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// The most ids of one intent: what a crash under full load leaves to recovery.
const LEN_MAX: u64 = 1024;

/// Hands out ids that are covered by an intent.
pub(crate) struct Intents {
    ids: Arc<IdAllocator>,
    writer: Writer,
    clock: SharedClock,
    tasks: Tasks,
    lease: Duration,
    /// Held while an intent is being opened, so that those who wait share it.
    opening: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// An id that is covered by an intent. Dropped before it is settled, it leaves the intent to recovery.
#[must_use]
pub(super) struct Covered {
    pub(super) id: OrderId,
    pub(super) order_no: OrderNo,
    /// The first id of the intent.
    pub(super) intent: OrderId,
}

impl Covered {
    /// Consumes the id: its end is reported only once.
    fn into_intent(self) -> OrderId {
        self.intent
    }
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
        if let Some(covered) = self.take() {
            return Ok(covered);
        }
        let opening = deadline.within(self.opening.lock()).await;
        let _turn = opening.map_err(|_| WriteError::TooLate)?;
        match self.take() {
            Some(covered) => Ok(covered),
            None => self.open(deadline).await,
        }
    }

    /// Settles an id that holds nothing, or has a row; closes its intent if that was the last.
    pub(super) fn settle(&self, covered: Covered) {
        let intent = covered.into_intent();
        let mut state = self.state();
        state.settle(intent);
        let over = state.retire(|current| current.left.is_empty());
        let settled = state.take_settled(intent);
        drop(state);
        self.close_soon(over);
        self.close_soon(settled);
    }

    /// Recovery has taken the intent over: no more ids of it are handed out.
    pub(super) fn leave_to_recovery(&self, covered: Covered) {
        self.state().forget(covered.into_intent());
    }

    /// Retires the current intent if it is stale, and closes it if its ids are settled.
    pub(crate) async fn retire_stale(&self) {
        let stale = {
            let mut state = self.state();
            state.forget_ended();
            state.retire(|current| self.is_stale(current))
        };
        if let Some(first) = stale {
            close(&self.writer, first).await;
        }
    }

    /// Closes the intents that are settled: no more ids are asked for.
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

    /// Writes an intent. Its first id goes to whoever opens it, however long that took.
    async fn open(&self, deadline: Deadline) -> Result<Covered, WriteError> {
        let len = self.state().next_len();
        let ids = self.ids.next_range(len, deadline).await?;
        let used_up = || DbError::Broken("order ids are used up".to_owned());
        let id = |value| OrderId::new(value).ok_or_else(used_up);
        let (half_way, lease_ends) = (Deadline::after(self.lease / 2), Deadline::after(self.lease));
        let at = self.clock.now();
        let intent = Intent {
            first: id(ids.start)?,
            last: id(ids.end.saturating_sub(1))?,
            numbered_at: at,
            lease_until: at.plus(self.lease),
            written: 0,
            recovering: false,
        };
        let (first, open) = (intent.first, IntentStep::Open(intent));
        if !self.writer.move_intent(first, open, deadline).await? {
            return Err(DbError::Broken("an intent under used ids".to_owned()).into());
        }
        let begun = self.state().begin(Current {
            intent,
            left: ids,
            fresh_until: Deadline::after(FRESH_FOR).earlier(half_way),
            lease_ends,
        });
        Ok(begun.ok_or_else(used_up)?)
    }

    /// Judged by the wall clock too, which leases go by: it may have been set.
    fn is_stale(&self, current: &Current) -> bool {
        let age = self.clock.now().since(current.intent.numbered_at);
        current.fresh_until.has_passed() || age >= self.lease / 2
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
    /// Intents that are not closed yet, by their first id.
    open: BTreeMap<OrderId, Open>,
    /// How many ids the latest intent had.
    len: u64,
    /// Until when the latest intent would have been fresh, if it was used up.
    used_up_before: Option<Deadline>,
}

/// The intent whose ids are being handed out.
struct Current {
    intent: Intent,
    left: Range<u64>,
    fresh_until: Deadline,
    lease_ends: Deadline,
}

/// An intent that is not closed yet.
struct Open {
    /// How many of the ids handed out are not settled.
    unsettled: u64,
    lease_ends: Deadline,
}

impl State {
    /// How many ids the next intent has: twice as many if the last one's were used up and it would
    /// still be fresh, else half; so orders that come one by one leave few gaps in the ids.
    fn next_len(&self) -> u64 {
        let used_up_before = self.used_up_before;
        let in_time = used_up_before.is_some_and(|fresh_until| !fresh_until.has_passed());
        let len = if in_time {
            self.len.saturating_mul(2)
        } else {
            self.len / 2
        };
        len.clamp(1, LEN_MAX)
    }

    /// Begins to hand out the ids of an intent; returns the first.
    fn begin(&mut self, current: Current) -> Option<Covered> {
        let open = Open {
            unsettled: 0,
            lease_ends: current.lease_ends,
        };
        self.open.insert(current.intent.first, open);
        self.len = current.left.end.saturating_sub(current.left.start);
        self.used_up_before = None;
        self.current = Some(current);
        self.take()
    }

    fn take(&mut self) -> Option<Covered> {
        let current = self.current.as_mut()?;
        let intent = current.intent;
        let open = self.open.get_mut(&intent.first)?;
        let id = OrderId::new(current.left.next()?)?;
        open.unsettled = open.unsettled.saturating_add(1);
        Some(Covered {
            id,
            order_no: intent.number(id),
            intent: intent.first,
        })
    }

    fn settle(&mut self, first: OrderId) {
        if let Some(open) = self.open.get_mut(&first) {
            open.unsettled = open.unsettled.saturating_sub(1);
        }
    }

    /// Stops handing out ids of the current intent if `is_over`; returns it if it is settled.
    fn retire(&mut self, is_over: impl Fn(&Current) -> bool) -> Option<OrderId> {
        let current = self.current.take_if(|current| is_over(current))?;
        let used_up = current.left.is_empty();
        self.used_up_before = used_up.then_some(current.fresh_until);
        self.take_settled(current.intent.first)
    }

    /// Stops handing out ids; removes and returns the intents that are settled.
    fn retire_all(&mut self) -> Vec<OrderId> {
        self.current = None;
        let settled = self.open.extract_if(.., |_, open| open.unsettled == 0);
        settled.map(|(first, _)| first).collect()
    }

    /// Removes and returns the intent, if no more ids are handed out under it and all are settled.
    fn take_settled(&mut self, first: OrderId) -> Option<OrderId> {
        let current = self.current.as_ref();
        if current.is_some_and(|current| current.intent.first == first) {
            return None;
        }
        let is_settled = self.open.get(&first)?.unsettled == 0;
        is_settled.then(|| {
            self.open.remove(&first);
            first
        })
    }

    fn forget(&mut self, first: OrderId) {
        self.current
            .take_if(|current| current.intent.first == first);
        self.open.remove(&first);
    }

    /// Forgets intents whose lease has run out: they are recovery's.
    fn forget_ended(&mut self) {
        self.open.retain(|_, open| !open.lease_ends.has_passed());
    }
}

#[cfg(test)]
mod tests {
    //! Proves that an intent is closed once, when no more ids are handed out under it and all are settled; and how
    //! many ids the next one has.

    use types::UnixMillis;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

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
            lease_ends: Deadline::after(fresh_for * 2),
        }
    }

    fn begin(state: &mut State, ids: Range<u64>) -> Option<OrderId> {
        let covered = state.begin(current(ids, MINUTE));
        covered.map(|covered| covered.id)
    }

    fn is_used_up(current: &Current) -> bool {
        current.left.is_empty()
    }

    #[test]
    fn an_intent_is_closed_when_it_is_used_up_and_the_last_of_its_ids_is_settled() {
        let mut state = State::default();
        assert_eq!(begin(&mut state, 1..3), Some(id(1)), "its opener's");
        assert_eq!(state.take().map(|covered| covered.id), Some(id(2)));
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
        begin(&mut state, 1..3);
        state.settle(id(1));
        assert_eq!(state.retire(is_used_up), None);
        assert_eq!(state.take_settled(id(1)), None);
        assert_eq!(state.retire(|_| true), Some(id(1)), "it is stale");
    }

    #[test]
    fn at_the_end_all_are_closed_but_those_with_an_id_in_doubt() {
        let mut state = State::default();
        begin(&mut state, 1..2);
        assert_eq!(state.retire(is_used_up), None, "in doubt");
        begin(&mut state, 2..9);
        state.settle(id(2));
        assert_eq!(state.retire_all(), [id(2)]);
        assert!(state.take().is_none());
        assert_eq!(state.retire_all(), []);
    }

    #[test]
    fn what_recovery_has_taken_is_neither_handed_out_nor_closed() {
        let mut state = State::default();
        begin(&mut state, 1..9);
        state.forget(id(1));
        assert!(state.take().is_none());
        state.settle(id(1));
        assert_eq!(state.take_settled(id(1)), None);
    }

    #[test]
    fn what_is_left_to_recovery_is_forgotten_at_the_end_of_its_lease() {
        let mut state = State::default();
        let _in_doubt = state.begin(current(1..2, Duration::ZERO));
        begin(&mut state, 2..3);
        state.forget_ended();
        assert_eq!(state.open.keys().copied().collect::<Vec<_>>(), [id(2)]);
    }

    #[test]
    fn the_next_one_has_twice_as_many_ids_where_they_were_used_up_in_time_and_else_half() {
        let mut state = State::default();
        let mut open = |is_used_up: bool, fresh_for| {
            let len = state.next_len();
            let _first = state.begin(current(1..1 + len, fresh_for));
            if is_used_up {
                while state.take().is_some() {}
            } else if let Some(current) = &mut state.current {
                current.left = 1..2;
            }
            state.retire(|_| true);
            len
        };
        let late = Duration::ZERO;
        let grown: Vec<_> = (0..12).map(|_| open(true, MINUTE)).collect();
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024]);
        assert_eq!(open(true, late), 1024);
        assert_eq!([open(false, MINUTE), open(false, MINUTE)], [512, 256]);
        let shrunk: Vec<_> = (0..9).map(|_| open(true, late)).collect();
        assert_eq!(shrunk, [128, 64, 32, 16, 8, 4, 2, 1, 1]);
    }
}
