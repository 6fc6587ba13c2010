use std::sync::Arc;

use types::{Fen, IdempotencyKey, OrderId, OrderNo, PaymentNo, PaymentStatus, UnixMillis, UserId};

use super::{CancelCause, Intent, Item, RequestKey, Task, TaskKey, TaskKind, Touched};

/// When an operation happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Now, by the service's clock.
    pub at: UnixMillis,
    /// Until when the tasks that the operation records belong to whoever submitted it.
    pub tasks_due_at: UnixMillis,
}

/// Who calls a creation off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbandonedBy {
    /// Its creator, at any moment.
    Creator,
    /// The recovery worker: only if its lease has run out, by the operation's own stamp.
    Recovery,
}

/// How an order comes into the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// CREATING, before its stock is asked for: the row is the creation's log.
    Creating {
        /// Until when its creator has it to itself.
        lease_until: UnixMillis,
    },
    /// PENDING, its stock being held: until now an intent was the creation's log.
    Held {
        /// The first id of that intent.
        intent: OrderId,
        /// The deadline of its payment.
        expire_at: UnixMillis,
    },
}

/// An order to be written down.
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
    /// As what.
    pub birth: Birth,
    /// Whether it may have been written down before, by a try that nothing is known of.
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
    /// Take it until `until`, if it is not parked and still due when it was seen to be.
    Claim {
        /// When it was due when it was read; the compare of the compare-and-set.
        seen_due_at: UnixMillis,
        /// The end of the lease.
        until: UnixMillis,
    },
    /// It is done; whoever holds it, the row may go.
    Done,
    /// It failed; try again at `due_at`, or park it after too many refusals. Only its holder may say so.
    Fail {
        /// The end of the holder's lease, which proves that it still is the holder.
        held_until: UnixMillis,
        /// When to try again.
        due_at: UnixMillis,
        /// Whether the answer was a certain no.
        refused: bool,
        /// What was said.
        error: String,
    },
    /// Wake a parked task.
    Resume {
        /// Now.
        at: UnixMillis,
    },
}

/// What happens to a lease: the right to do something alone for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseStep {
    /// Take it or keep it, if it is free, run out, or held already.
    Take {
        /// Now.
        at: UnixMillis,
        /// Until when it shall be held.
        until: UnixMillis,
    },
    /// Give it back, if it is held.
    Free,
}

/// What happens to an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentStep {
    /// Write it down, before stock is asked for under one of its ids.
    Open(Intent),
    /// Take it from a holder whose lease ran out: no order is written down under it from now on.
    TakeOver {
        /// Now.
        at: UnixMillis,
        /// The end of the new lease.
        until: UnixMillis,
    },
    /// Nothing is held under any of its ids but what orders hold; the row may go, whoever holds it.
    Close,
}

/// Everything that can happen to the rows of this service. Each is decided by itself; a store
/// applies many in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes an order down, unless its key was used before or its intent is no longer its creator's.
    Insert(Box<NewOrder>),
    /// CREATING -> PENDING: its stock is held.
    Confirm {
        /// Which.
        id: OrderId,
        /// Now.
        at: UnixMillis,
        /// The deadline of its payment.
        expire_at: UnixMillis,
    },
    /// Takes a CREATING order away without trace: nothing was or will be deducted for it.
    Drop {
        /// Which.
        id: OrderId,
    },
    /// CREATING -> ABANDONED, with a task that gives back and fences whatever was deducted.
    Abandon {
        /// Which.
        id: OrderId,
        /// Who calls it off.
        by: AbandonedBy,
        /// When.
        stamp: Stamp,
    },
    /// PENDING or PAID -> CANCELLED, with the tasks that give back stock and money.
    Cancel {
        /// Which.
        id: OrderId,
        /// Why. [`CancelCause::Expired`] cancels only what is PENDING and overdue.
        why: CancelCause,
        /// When.
        stamp: Stamp,
    },
    /// PAID -> SHIPPED, with the task that commits the stock.
    Ship {
        /// Which.
        id: OrderId,
        /// When.
        stamp: Stamp,
    },
    /// SHIPPED -> COMPLETED.
    Complete {
        /// Which.
        id: OrderId,
        /// Now.
        at: UnixMillis,
    },
    /// Money arrived for an order: PENDING -> PAID, or back goes the money.
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
    /// Moves a task.
    Task {
        /// Which.
        key: TaskKey,
        /// How.
        step: TaskStep,
    },
    /// Moves a lease.
    Lease {
        /// Its name.
        name: &'static str,
        /// Who asks.
        holder: Arc<str>,
        /// What for.
        step: LeaseStep,
    },
    /// Moves an intent.
    Intent {
        /// Its first id.
        first: OrderId,
        /// How.
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

    /// Adds the keys of every row that the operation reads or writes.
    pub fn touch(&self, touched: &mut Touched) {
        match self {
            Self::Insert(new) => {
                if let Some(request) = &new.request {
                    touched.requests.insert((new.user_id, request.key.clone()));
                }
                if let Birth::Held { intent, .. } = new.birth {
                    touched.intents.insert(intent);
                }
                // An id that was never used has no row, which need not be looked for.
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
            // Its first id was never used, so it has no row that need be looked for.
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

/// A user's key, as orders are looked up by it.
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
