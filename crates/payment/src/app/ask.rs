//! Asking a gateway about one open attempt, and writing down what it says.
//!
//! One round is at most a charge and a query. If both leave the outcome unknown, the attempt stays
//! open and the timetable sets the next round, which `settle_leftovers` runs. The same happens,
//! after the lease, if the process dies in the middle of a round. Rounds may overlap: gateways are
//! idempotent by the attempt's number, and the row is settled by compare-and-set.

use std::sync::Arc;
use std::time::Duration;

use platform::combiner::WriteError;
use platform::db::DbError;
use platform::deadline::Deadline;

use super::Payments;
use super::flights::Flight;
use crate::domain::{
    AttemptState, ChargeResult, Op, Outcome, Record, RefundResult, Reschedule, Rescheduled,
    SettleCharge, SettleRefund, Settled,
};
use crate::gateway::{ChargeAnswer, QueryAnswer, RefundAnswer};

/// How soon a write that failed transiently is retried.
const WRITE_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Whether the gateway may have heard of the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// It cannot have: charge first.
    First,
    /// It may have: query first.
    Again,
}

impl Payments {
    /// Starts one round in a task of its own.
    pub(super) fn ask_in_background(self: &Arc<Self>, record: Record, round: Round) {
        let flight = self.flights.depart(&record.attempt.payment_no);
        let payments = Arc::clone(self);
        self.tasks.spawn("ask the gateway", async move {
            payments.ask(record, round, flight).await;
        });
    }

    /// Runs one round; lands `flight` if that settled the attempt.
    #[tracing::instrument(skip_all, fields(payment.no = %record.attempt.payment_no))]
    pub(super) async fn ask(&self, record: Record, round: Round, flight: Flight) {
        let settlement = match record.attempt.state {
            AttemptState::Charging => {
                let result = self.ask_charge(&record, round).await;
                result.map(|result| self.charge_settlement(&record, result))
            }
            AttemptState::Refunding => {
                let result = self.ask_refund(&record).await;
                result.map(|result| self.refund_settlement(&record, result))
            }
            AttemptState::Charged | AttemptState::Refused | AttemptState::Refunded => return,
        };
        match settlement {
            Some(op) => {
                if let Some(settled) = self.settle(op).await {
                    flight.land(settled);
                }
            }
            None => self.put_off(&record).await,
        }
    }

    /// The gateway's final word on a charge; `None` if it gave none.
    async fn ask_charge(&self, record: &Record, round: Round) -> Option<ChargeResult> {
        if round == Round::First
            && let ChargeAnswer::Final(result) = self.charge(record).await
        {
            return Some(result);
        }
        match (self.query(record).await, round) {
            (QueryAnswer::Final(result), _) => Some(result),
            // The charge may still arrive, so it does not count as refused: charge again, under the same number.
            (QueryAnswer::NotSeen, Round::Again) => match self.charge(record).await {
                ChargeAnswer::Final(result) => Some(result),
                ChargeAnswer::Unknown { .. } => None,
            },
            (QueryAnswer::NotSeen, Round::First) | (QueryAnswer::Unknown { .. }, _) => None,
        }
    }

    /// The gateway's final word on a refund; `None` if it gave none.
    async fn ask_refund(&self, record: &Record) -> Option<RefundResult> {
        match self.refund_charge(record).await {
            RefundAnswer::Final(result) => Some(result),
            RefundAnswer::Unknown { .. } => None,
        }
    }

    fn charge_settlement(&self, record: &Record, result: ChargeResult) -> Op {
        let (order_id, payment_no) = names_of(record);
        Op::SettleCharge(SettleCharge {
            order_id,
            payment_no,
            result,
            now: self.clock.now(),
        })
    }

    fn refund_settlement(&self, record: &Record, result: RefundResult) -> Op {
        let (order_id, payment_no) = names_of(record);
        Op::SettleRefund(SettleRefund {
            order_id,
            payment_no,
            result,
            now: self.clock.now(),
        })
    }

    /// Records the gateway's final word; returns the resulting record, if it is known.
    async fn settle(&self, op: Op) -> Option<Record> {
        let settled = match self.write_persistently(&op).await {
            Ok(settled) => settled,
            Err(error) => {
                // The attempt stays open; when its lease is over the gateway is asked again, and says the same.
                tracing::warn!(%error, "a settlement could not be written down");
                return None;
            }
        };
        if settled.contradicts(&op) {
            metrics::counter!("bookstore_payment_contradictions_total").increment(1);
            tracing::error!(?op, ?settled, "the gateway took its final word back");
        }
        match settled {
            Settled::Moved(record) => {
                self.feed_grown.notify_waiters();
                count_settled(record.attempt.state);
                Some(record)
            }
            Settled::Stands(record) => Some(record),
            Settled::Superseded => None,
        }
    }

    /// Submits a settlement, and retries transient failures for as long as a lease lasts.
    async fn write_persistently(&self, op: &Op) -> Result<Settled, WriteError> {
        let deadline = Deadline::after(self.timetable.lease());
        loop {
            match self.submit(op.clone(), deadline, read_settled).await {
                Err(error) if passes_by_itself(&error) && !deadline.has_passed() => {
                    platform::clock::pause(WRITE_AGAIN_AFTER).await;
                }
                result => return result,
            }
        }
    }

    /// Schedules the next round by the timetable. If that fails, the round comes when the lease runs out.
    async fn put_off(&self, record: &Record) {
        let (order_id, payment_no) = names_of(record);
        let Some(seen) = record.attempt.next_check_at else {
            return;
        };
        let next = self
            .timetable
            .next_check(record.attempt.updated_at, self.clock.now());
        let op = Op::Reschedule(Reschedule {
            order_id,
            payment_no,
            seen,
            next,
        });
        let deadline = Deadline::after(self.timetable.lease());
        if let Err(error) = self.submit(op, deadline, read_rescheduled).await {
            tracing::warn!(%error, "the next round could not be put off");
        }
    }
}

/// Whether a write that failed with `error` may succeed a moment later. Settlements are idempotent,
/// so an unknown outcome is no reason to stop.
fn passes_by_itself(error: &WriteError) -> bool {
    match error {
        WriteError::Overloaded
        | WriteError::Db(
            DbError::Contention(_) | DbError::Unavailable(_) | DbError::OutcomeUnknown(_),
        ) => true,
        WriteError::TooLate
        | WriteError::Stopped
        | WriteError::Db(DbError::Duplicate { .. } | DbError::Corrupt(_) | DbError::Broken(_)) => {
            false
        }
    }
}

fn names_of(record: &Record) -> (types::OrderId, types::PaymentNo) {
    (record.attempt.order_id, record.attempt.payment_no.clone())
}

fn read_settled(outcome: Outcome) -> Option<Settled> {
    match outcome {
        Outcome::Settled(settled) => Some(settled),
        Outcome::PayBegun(_) | Outcome::RefundBegun(_) | Outcome::Rescheduled(_) => None,
    }
}

pub(super) fn read_rescheduled(outcome: Outcome) -> Option<Rescheduled> {
    match outcome {
        Outcome::Rescheduled(rescheduled) => Some(rescheduled),
        Outcome::PayBegun(_) | Outcome::RefundBegun(_) | Outcome::Settled(_) => None,
    }
}

fn count_settled(state: AttemptState) {
    let state = match state {
        AttemptState::Charging => "charging",
        AttemptState::Charged => "charged",
        AttemptState::Refused => "refused",
        AttemptState::Refunding => "refunding",
        AttemptState::Refunded => "refunded",
    };
    metrics::counter!("bookstore_payment_settled_total", "outcome" => state).increment(1);
}
