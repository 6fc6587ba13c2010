use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::finding::{Finding, Invariant, Proof};
use super::invariants;

/// An inquiry into what a first reading raised, by further readings.
///
/// Four databases cannot be read at one moment, and a busy system is always between two states. So
/// a doubt is dropped as soon as one later reading does not show it; what later readings show anew
/// is not asked about: without that an inquiry into a busy system would never end.
#[derive(Debug)]
pub(crate) struct Inquiry {
    proven: Vec<Finding>,
    doubts: BTreeMap<Trace, Finding>,
    /// Where the payment feed ended in the first reading.
    feed_end: u64,
    /// Whether the order service ran at the last reading.
    was_running: bool,
    readings: u32,
}

type Trace = (Invariant, String, String);

impl Inquiry {
    /// Opens the inquiry with what the first reading shows.
    pub(crate) fn open(first: &Facts) -> Self {
        let (proven, doubts): (Vec<_>, Vec<_>) = invariants::judge(first)
            .into_iter()
            .partition(|finding| finding.proof == Proof::Certain);
        Self {
            proven,
            doubts: doubts
                .into_iter()
                .map(|doubt| (doubt.trace(), doubt))
                .collect(),
            feed_end: first.money.last_event_id,
            was_running: first.orders.is_running,
            readings: 1,
        }
    }

    /// Whether there is anything that another reading could tell.
    pub(crate) fn is_open(&self) -> bool {
        !self.doubts.is_empty()
    }

    /// How many readings there were.
    pub(crate) const fn readings(&self) -> u32 {
        self.readings
    }

    /// Takes in a later reading: drops what it does not show, proves what it does.
    pub(crate) fn hear(&mut self, later: &Facts) {
        let seen: BTreeSet<Trace> = invariants::judge(later)
            .iter()
            .map(Finding::trace)
            .collect();
        let caught_up = later.orders.cursor >= self.feed_end;
        let nobody_mends = !self.was_running && !later.orders.is_running;
        for (trace, doubt) in std::mem::take(&mut self.doubts) {
            let stands = match doubt.invariant {
                // Under load the feed always has a little more: what counts is the old end.
                Invariant::FeedIsFollowed => !caught_up,
                _ => seen.contains(&trace),
            };
            let is_proven = match doubt.proof {
                Proof::Certain | Proof::SeenAgain => true,
                Proof::FeedFollowed => caught_up,
                Proof::NotMended => nobody_mends,
            };
            match (stands, is_proven) {
                (true, true) => self.proven.push(doubt),
                (true, false) => {
                    self.doubts.insert(trace, doubt);
                }
                (false, _) => {}
            }
        }
        self.was_running = later.orders.is_running;
        self.readings = self.readings.saturating_add(1);
    }

    /// Ends the inquiry: what every reading has shown stands. Answers by law, then by subject.
    pub(crate) fn close(self) -> Vec<Finding> {
        let mut findings = self.proven;
        findings.extend(self.doubts.into_values());
        findings.sort_by(|a, b| (a.invariant, &a.subject).cmp(&(b.invariant, &b.subject)));
        findings
    }
}

#[cfg(test)]
mod tests {
    //! Proves which doubts further readings drop, which they prove, and which wait for another one.

    use order::domain::{Stage, TaskKind};
    use types::{OrderStatus, PaymentStatus};

    use super::*;
    use crate::check::sample::{
        CANCELLED, PAID, PENDING, UNKNOWN, order_mut, pay, payment_mut, reserve_what_is_held,
        sound, task,
    };

    /// The laws that an inquiry through `readings` finds broken, and whether it is still open
    /// after the last of them.
    fn inquire(readings: &[Facts]) -> (Vec<Invariant>, bool) {
        let mut inquiry = Inquiry::open(&readings[0]);
        for later in &readings[1..] {
            inquiry.hear(later);
        }
        let open = inquiry.is_open();
        (
            inquiry
                .close()
                .iter()
                .map(|finding| finding.invariant)
                .collect(),
            open,
        )
    }

    fn without_hold(id: u64) -> Facts {
        let mut facts = sound();
        facts.stock.holds.retain(|hold| hold.reference.get() != id);
        reserve_what_is_held(&mut facts);
        facts
    }

    #[test]
    fn a_sound_system_needs_one_reading() {
        assert_eq!(inquire(&[sound()]), (vec![], false));
    }

    #[test]
    fn what_one_database_shows_by_itself_is_proven_at_once() {
        let mut facts = sound();
        facts.stock.books[0].stock.reserved += 1;
        assert_eq!(inquire(&[facts]), (vec![Invariant::ReservedIsHeld], false));
    }

    #[test]
    fn a_hold_that_is_missing_once_is_forgiven() {
        assert_eq!(inquire(&[without_hold(PENDING), sound()]), (vec![], false));
    }

    #[test]
    fn a_hold_that_is_missing_twice_is_proven() {
        let readings = [without_hold(PENDING), without_hold(PENDING)];
        assert_eq!(
            inquire(&readings),
            (vec![Invariant::OrderHoldsItems], false)
        );
    }

    #[test]
    fn each_doubt_is_judged_by_itself() {
        // Another order is between two states at each reading: neither was seen twice.
        let readings = [without_hold(PENDING), without_hold(PAID)];
        assert_eq!(inquire(&readings), (vec![], false));
    }

    #[test]
    fn money_waits_for_the_feed_to_be_followed() {
        let arrived = |cursor| {
            let mut facts = sound();
            pay(&mut facts, PENDING, PaymentStatus::Paid);
            facts.orders.cursor = cursor;
            facts.money.last_event_id = 11;
            facts
        };
        let behind = [arrived(10), arrived(10)];
        assert!(Inquiry::open(&behind[0]).is_open());
        assert_eq!(
            inquire(&behind),
            (
                vec![Invariant::MoneyHasOrder, Invariant::FeedIsFollowed],
                true
            )
        );
        let applied_without_effect = [arrived(10), arrived(10), arrived(11)];
        assert_eq!(
            inquire(&applied_without_effect),
            (vec![Invariant::MoneyHasOrder], false)
        );
        assert_eq!(inquire(&[arrived(10), sound_at(11)]), (vec![], false));
    }

    fn sound_at(event: u64) -> Facts {
        let mut facts = sound();
        facts.orders.cursor = event;
        facts.money.last_event_id = event;
        facts
    }

    #[test]
    fn a_feed_that_has_grown_meanwhile_is_judged_by_its_old_end() {
        let mut busy = sound_at(12);
        busy.money.last_event_id = 15;
        let mut first = sound_at(10);
        first.money.last_event_id = 12;
        assert_eq!(inquire(&[first, busy]), (vec![], false));
    }

    #[test]
    fn money_in_motion_is_another_doubt_in_each_reading_and_so_none() {
        // First the payment is ahead of its order, then a refund is ahead of it.
        let mut first = sound();
        pay(&mut first, PENDING, PaymentStatus::Paid);
        let mut second = sound();
        pay(&mut second, PENDING, PaymentStatus::Refunded);
        order_mut(&mut second, PENDING).stage = Stage::Live(OrderStatus::Paid);
        assert_eq!(inquire(&[first, second]), (vec![], false));
    }

    #[test]
    fn what_a_running_system_mends_waits_until_the_end() {
        let late = |is_running| {
            let mut facts = sound();
            let (key, mut left) = task(CANCELLED, TaskKind::Release);
            left.due_at = facts.read_at.minus(std::time::Duration::from_secs(11));
            facts.orders.tasks.insert(key, left);
            facts.orders.is_running = is_running;
            facts
        };
        assert_eq!(
            inquire(&[late(true), late(true)]),
            (vec![Invariant::TaskInTime], true)
        );
        assert_eq!(inquire(&[late(true), late(true), sound()]), (vec![], false));
        // Nobody is there to mend it: no need to wait. One that starts right now is given time.
        assert_eq!(
            inquire(&[late(false), late(false)]),
            (vec![Invariant::TaskInTime], false)
        );
        assert_eq!(
            inquire(&[late(false), late(true)]),
            (vec![Invariant::TaskInTime], true)
        );
    }

    #[test]
    fn findings_come_by_law_and_then_by_subject() {
        let mut facts = sound();
        facts.catalog.missing = vec![crate::check::sample::book(2), crate::check::sample::book(1)];
        facts.stock.books[0].stock.reserved += 1;
        payment_mut(&mut facts, PAID).amount = types::Fen::stored(1);
        pay(&mut facts, UNKNOWN, PaymentStatus::Paid);
        let closed = Inquiry::open(&facts).close();
        let order: Vec<_> = closed
            .iter()
            .map(|f| (f.invariant, f.subject.as_str()))
            .collect();
        assert_eq!(order[0].0, Invariant::ReservedIsHeld);
        assert_eq!(order[1], (Invariant::BookExists, "book 1"));
        assert_eq!(order[2], (Invariant::BookExists, "book 2"));
        assert_eq!(order[3].0, Invariant::MoneyHasOrder);
        assert_eq!(order.len(), 5);
    }
}
