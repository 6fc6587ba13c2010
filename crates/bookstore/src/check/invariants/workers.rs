//! What the services' workers have to get done in time.
//!
//! A running system mends all of this by itself, some of it only a while after a restart or after
//! another service is back: so none of it counts before the wait is over.

use std::time::Duration;

use crate::check::facts::Facts;
use crate::check::finding::{Finding, Invariant, Proof};

/// How long a task or an attempt may take. Within that time retries come at most half a minute apart.
const DONE_WITHIN: Duration = Duration::from_mins(1);
/// How long after it is due a task may lie about. Due tasks are looked for four times a second.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    judge_tasks(facts, findings);
    judge_attempts(facts, findings);
    judge_feed(facts, findings);
}

fn judge_tasks(facts: &Facts, findings: &mut Vec<Finding>) {
    for task in facts.orders.tasks.values().filter(|task| !task.parked) {
        let (age, late) = (
            facts.read_at.since(task.created_at),
            facts.read_at.since(task.due_at),
        );
        if age <= DONE_WITHIN && late <= TAKEN_WITHIN {
            continue;
        }
        let error = task.last_error.as_deref().unwrap_or("never answered");
        let what = format!(
            "{} not done after {} s and {} tries: {error}",
            task.key.kind.name(),
            age.as_secs(),
            task.attempts
        );
        let subject = facts.orders.name_of(task.key.order_id);
        let finding = Finding::certain(Invariant::TaskInTime, subject, what);
        findings.push(finding.until(Proof::NotMended));
    }
}

fn judge_attempts(facts: &Facts, findings: &mut Vec<Finding>) {
    for attempt in &facts.money.open_attempts {
        let age = facts.read_at.since(attempt.since);
        if age > DONE_WITHIN {
            let order = facts.orders.name_of(attempt.order_id);
            let subject = format!("payment {} for {order}", attempt.payment_no);
            let what = format!("the gateway's word is awaited for {} s", age.as_secs());
            let finding = Finding::certain(Invariant::AttemptInTime, subject, what);
            findings.push(finding.until(Proof::NotMended));
        }
    }
}

fn judge_feed(facts: &Facts, findings: &mut Vec<Finding>) {
    let (cursor, last) = (facts.orders.cursor, facts.money.last_event_id);
    // The cursor is read before the feed, so it cannot have run ahead meanwhile.
    if cursor > last {
        let what = format!("event {cursor} is applied, the feed ends at {last}");
        findings.push(Finding::certain(
            Invariant::CursorIsBehind,
            "the feed's cursor",
            what,
        ));
    }
    if cursor < last {
        let what = format!("event {cursor} is the last applied, the feed ends at {last}");
        let finding = Finding::certain(Invariant::FeedIsFollowed, "the feed's cursor", what);
        findings.push(finding.until(Proof::NotMended));
    }
}

#[cfg(test)]
mod tests {
    use order::domain::TaskKind;
    use payment::audit::OpenAttempt;
    use types::{OrderId, PaymentNo};

    use super::*;
    use crate::check::sample::{CANCELLED, NOW, PENDING, found, only, sound, task};

    const LONG_AGO: Duration = Duration::from_secs(61);

    #[test]
    fn a_task_that_is_retried_for_more_than_a_minute_is_found() {
        let mut facts = sound();
        let (key, mut old) = task(CANCELLED, TaskKind::Release);
        old.created_at = NOW.minus(LONG_AGO);
        old.attempts = 9;
        old.last_error = Some("unavailable".to_owned());
        facts.orders.tasks.insert(key, old);
        let finding = only(&facts, Invariant::TaskInTime);
        assert_eq!(
            finding.what,
            "release not done after 61 s and 9 tries: unavailable"
        );
        assert_eq!(finding.proof, Proof::NotMended);
    }

    #[test]
    fn a_task_that_nobody_takes_is_found() {
        let mut facts = sound();
        let (key, mut left) = task(CANCELLED, TaskKind::Release);
        left.created_at = NOW.minus(Duration::from_secs(20));
        left.due_at = NOW.minus(Duration::from_secs(11));
        facts.orders.tasks.insert(key, left);
        only(&facts, Invariant::TaskInTime);
    }

    #[test]
    fn a_parked_task_is_not_late_besides() {
        let mut facts = sound();
        let (key, mut parked) = task(CANCELLED, TaskKind::Release);
        parked.created_at = NOW.minus(LONG_AGO);
        parked.parked = true;
        facts.orders.tasks.insert(key, parked);
        only(&facts, Invariant::NoTaskParked);
    }

    #[test]
    fn an_attempt_that_stays_open_is_found() {
        let mut facts = sound();
        let attempt = |since| OpenAttempt {
            payment_no: PaymentNo::generate(NOW, 9),
            order_id: OrderId::new(PENDING).unwrap(),
            since,
        };
        facts.money.open_attempts = vec![attempt(NOW.minus(Duration::from_secs(59)))];
        assert_eq!(found(&facts), []);
        facts.money.open_attempts = vec![attempt(NOW.minus(LONG_AGO))];
        assert_eq!(
            only(&facts, Invariant::AttemptInTime).proof,
            Proof::NotMended
        );
    }

    #[test]
    fn a_cursor_ahead_of_the_feed_is_certain_and_one_behind_it_may_catch_up() {
        let mut facts = sound();
        facts.orders.cursor = facts.money.last_event_id + 1;
        assert_eq!(
            only(&facts, Invariant::CursorIsBehind).proof,
            Proof::Certain
        );
        facts.orders.cursor = facts.money.last_event_id - 1;
        assert_eq!(
            only(&facts, Invariant::FeedIsFollowed).proof,
            Proof::NotMended
        );
    }
}
