use std::sync::Arc;

use types::{Fen, IdempotencyKey, OrderId, OrderNo, PaymentNo, PaymentStatus, UnixMillis, UserId};

use super::{CancelCause, Intent, Item, RequestKey, Task, TaskKey, TaskKind, Touched};

/// When an operation happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Now, by the service's clock.
    pub at: UnixMillis,
    /// The end of the submitter's lease on the tasks that the operation records.
    pub tasks_due_at: UnixMillis,
}

/// Who calls a creation off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbandonedBy {
    /// Its creator, at any moment.
    Creator,
    /// The recovery worker: only if the creator's lease has run out at the operation's stamp.
    Recovery,
}

/// The state in which an order is first written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// CREATING, before its stock is asked for: the row is the saga's log.
    Creating {
        /// The end of its creator's lease.
        lease_until: UnixMillis,
    },
    /// PENDING, with its stock held: until now an intent was the saga's log.
    Held {
        /// The first id of that intent.
        intent: OrderId,
        /// The deadline of its payment.
        expire_at: UnixMillis,
    },
}

/// An order to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// Its id, never used before.
    pub id: OrderId,
    /// Its number, made from the id.
    pub order_no: OrderNo,
    /// Who orders.
    pub user_id: UserId,
    /// What its items cost together.
    pub total: Fen,
    /// Its items.
    pub items: Arc<[Item]>,
    /// The key it was asked for under, if any.
    pub request: Option<RequestKey>,
    /// Now.
    pub at: UnixMillis,
    /// The state to write it in.
    pub birth: Birth,
    /// Whether an earlier attempt whose outcome is unknown may have written it.
    pub may_be_there: bool,
}

/// Money that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The payment's number.
    pub payment_no: PaymentNo,
    /// The gateway's number, where it is known.
    pub third_party_no: Option<String>,
    /// How much.
    pub amount: Fen,
}

/// One event of the payment feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// Its id; the feed's ids have no gaps.
    pub event_id: u64,
    /// The order that the payment was made for; it need not exist.
    pub order_id: OrderId,
    /// The payment.
    pub payment_no: PaymentNo,
    /// Its amount.
    pub amount: Fen,
    /// What became of it.
    pub status: PaymentStatus,
    /// When.
    pub created_at: UnixMillis,
}

/// What happens to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStep {
    /// Claim it until `until`, if it is not parked and its due time is still the one that was read.
    Claim {
        /// The due time that was read: the expected value of the compare-and-set.
        seen_due_at: UnixMillis,
        /// The end of the lease.
        until: UnixMillis,
    },
    /// It is done: delete the row, whoever holds it.
    Done,
    /// It failed: retry at `due_at`, or park it after too many refusals. Only the holder may.
    Fail {
        /// The end of the holder's lease, which proves that it still is the holder.
        held_until: UnixMillis,
        /// When to try again.
        due_at: UnixMillis,
        /// Whether it was definitely refused.
        refused: bool,
        /// The error's text.
        error: String,
    },
    /// Make a parked task due again.
    Resume {
        /// Now.
        at: UnixMillis,
    },
}

/// What happens to a lease: the exclusive right to do something for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseStep {
    /// Take or renew it, if it is free, has run out, or is the asker's already.
    Take {
        /// Now.
        at: UnixMillis,
        /// The end of the lease.
        until: UnixMillis,
    },
    /// Release it, if the asker holds it.
    Free,
}

/// What happens to an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentStep {
    /// Write it, before stock is asked for under any of its ids.
    Open(Intent),
    /// Take it over from a holder whose lease has run out; no order is written under it after that.
    TakeOver {
        /// Now.
        at: UnixMillis,
        /// The end of the new lease.
        until: UnixMillis,
    },
    /// Delete it, whoever holds it: only orders hold anything under its ids.
    Close,
}

/// Everything that can happen to the rows of this service. Each operation is decided on its own; a
/// store applies many in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes an order, unless its key was used before or its creator no longer holds its intent.
    Insert(Box<NewOrder>),
    /// CREATING -> PENDING: its stock is held.
    Confirm {
        /// The order.
        id: OrderId,
        /// Now.
        at: UnixMillis,
        /// The deadline of its payment.
        expire_at: UnixMillis,
    },
    /// Deletes a CREATING order without trace: nothing was or will be deducted for it.
    Drop {
        /// The order.
        id: OrderId,
    },
    /// CREATING -> ABANDONED, with the compensating task: a fenced release of what was deducted.
    Abandon {
        /// The order.
        id: OrderId,
        /// Who calls it off.
        by: AbandonedBy,
        /// When.
        stamp: Stamp,
    },
    /// PENDING or PAID -> CANCELLED, with the tasks that give back stock and money.
    Cancel {
        /// The order.
        id: OrderId,
        /// Why. [`CancelCause::Expired`] cancels only what is PENDING and overdue.
        why: CancelCause,
        /// When.
        stamp: Stamp,
    },
    /// PAID -> SHIPPED, with the task that commits the stock.
    Ship {
        /// The order.
        id: OrderId,
        /// When.
        stamp: Stamp,
    },
    /// SHIPPED -> COMPLETED.
    Complete {
        /// The order.
        id: OrderId,
        /// Now.
        at: UnixMillis,
    },
    /// Money arrived for an order: PENDING -> PAID, or the money is refunded.
    Pay {
        /// The order.
        id: OrderId,
        /// The money.
        receipt: Receipt,
        /// When.
        stamp: Stamp,
    },
    /// Applies events of the payment feed and moves the cursor past them.
    Follow {
        /// The events, by ascending id.
        events: Vec<FeedEvent>,
        /// When.
        stamp: Stamp,
    },
    /// Claims, ends, fails or resumes a task.
    Task {
        /// The task.
        key: TaskKey,
        /// The step to take.
        step: TaskStep,
    },
    /// Takes, renews or releases a lease.
    Lease {
        /// Its name.
        name: &'static str,
        /// Who asks.
        holder: Arc<str>,
        /// The step to take.
        step: LeaseStep,
    },
    /// Opens, takes over or closes an intent.
    Intent {
        /// Its first id.
        first: OrderId,
        /// The step to take.
        step: IntentStep,
    },
}

impl Op {
    /// What kind of operation it is.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Insert(new) => match new.birth {
                Birth::Creating { .. } => "order.insert",
                Birth::Held { .. } => "order.insert_held",
            },
            Self::Confirm { .. } => "order.confirm",
            Self::Drop { .. } => "order.drop",
            Self::Abandon { .. } => "order.abandon",
            Self::Cancel { why, .. } => match why {
                CancelCause::Expired => "order.expire",
                CancelCause::Asked(_) | CancelCause::Refunded | CancelCause::WrongAmount => {
                    "order.cancel"
                }
            },
            Self::Ship { .. } => "order.ship",
            Self::Complete { .. } => "order.complete",
            Self::Pay { .. } => "order.pay",
            Self::Follow { .. } => "order.follow",
            Self::Task { step, .. } => step.name(),
            Self::Lease { step, .. } => step.name(),
            Self::Intent { step, .. } => step.name(),
        }
    }

    /// Adds the keys of the rows that the operation needs loaded: all that it reads or writes, but for
    /// new ones.
    pub fn touch(&self, touched: &mut Touched) {
        match self {
            Self::Insert(new) => {
                if let Some(request) = &new.request {
                    touched.requests.insert((new.user_id, request.key.clone()));
                }
                if let Birth::Held { intent, .. } = new.birth {
                    touched.intents.insert(intent);
                }
                // An id that was never used has no row to load.
                if new.may_be_there {
                    touched.orders.insert(new.id);
                }
            }
            Self::Confirm { id, .. } | Self::Drop { id } | Self::Complete { id, .. } => {
                touched.orders.insert(*id);
            }
            Self::Abandon { id, .. }
            | Self::Cancel { id, .. }
            | Self::Ship { id, .. }
            | Self::Pay { id, .. } => touched.order_with_tasks(*id),
            Self::Follow { events, .. } => {
                touched.cursor = true;
                for event in events {
                    touched.order_with_tasks(event.order_id);
                }
            }
            Self::Task { key, .. } => {
                touched.tasks_of.insert(key.order_id);
            }
            Self::Lease { name, .. } => {
                touched.leases.insert(name);
            }
            // A new intent's ids were never used, so there is no row to load.
            Self::Intent {
                step: IntentStep::Open(_),
                ..
            } => {}
            Self::Intent { first, .. } => {
                touched.intents.insert(*first);
            }
        }
    }
}

impl TaskStep {
    const fn name(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "order.claim_task",
            Self::Done => "order.end_task",
            Self::Fail { .. } => "order.fail_task",
            Self::Resume { .. } => "order.resume_task",
        }
    }
}

impl LeaseStep {
    const fn name(&self) -> &'static str {
        match self {
            Self::Take { .. } => "order.take_lease",
            Self::Free => "order.free_lease",
        }
    }
}

impl IntentStep {
    const fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "order.open_intent",
            Self::TakeOver { .. } => "order.take_intent",
            Self::Close => "order.close_intent",
        }
    }
}

/// A user's idempotency key, by which orders are looked up.
pub(super) type UserKey = (UserId, IdempotencyKey);

impl Stamp {
    /// A task recorded at this stamp.
    pub(super) fn task(self, order_id: OrderId, kind: TaskKind, order_no: Option<OrderNo>) -> Task {
        Task::new(
            TaskKey { order_id, kind },
            order_no,
            self.at,
            self.tasks_due_at,
        )
    }
}
