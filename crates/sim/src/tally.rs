//! What has happened at least sometimes: the proof that a run tried what it claims to try.

use std::ops::AddAssign;
use std::sync::{Mutex, PoisonError};

macro_rules! moments {
    ($($(#[$doc:meta])* $variant:ident $group:ident $name:literal;)+) => {
        /// Something worth counting: a fault that struck, or a branch that was taken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Moment {
            $($(#[$doc])* $variant,)+
        }

        impl Moment {
            /// All of them, in the order in which they are reported.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// What it is called in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Under which heading it is reported.
            pub const fn group(self) -> Group {
                match self {
                    $(Self::$variant => Group::$group,)+
                }
            }
        }
    };
}

/// The headings of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What people did and what became of it.
    Trade,
    /// What broke.
    Fault,
    /// What the system did about it.
    Answer,
}

moments! {
    /// An order was made.
    OrderCreated Trade "orders created";
    /// An order was refused for want of stock.
    SoldOut Trade "orders refused, sold out";
    /// An order was refused because a book was withdrawn.
    BookGone Trade "orders refused, book withdrawn";
    /// An order became PAID.
    OrderPaid Trade "orders paid";
    /// An order was cancelled by somebody.
    OrderCancelled Trade "orders cancelled";
    /// An order's deadline passed.
    OrderExpired Trade "orders expired";
    /// An order was shipped.
    OrderShipped Trade "orders shipped";
    /// An order was completed.
    OrderCompleted Trade "orders completed";
    /// Money went back.
    MoneyReturned Trade "payments refunded";
    /// A charge was refused.
    ChargeRefused Trade "charges refused";
    /// A caller gave up without an answer, or heard that nobody knows.
    LeftInDoubt Trade "calls left in doubt";
    /// A request was made again.
    Repeated Trade "requests repeated under their key";
    /// A key came with other parameters.
    KeyReused Trade "keys used for something else";

    /// A replica was killed.
    Crash Fault "crashes";
    /// A replica was killed right after it had committed, before anybody heard.
    CrashAfterCommit Fault "crashes right after a commit";
    /// A replica was killed with a transaction that it was about to commit.
    CrashBeforeCommit Fault "crashes right before a commit";
    /// All replicas of everything were killed at once.
    PowerCut Fault "power cuts";
    /// A replica was stopped in good order.
    GracefulStop Fault "graceful stops";
    /// Nodes were cut off from others.
    Partition Fault "partitions";
    /// Nodes were cut off in one direction.
    OneWayPartition Fault "one-way partitions";
    /// A request was lost.
    RequestLost Fault "requests lost";
    /// A reply was lost.
    ReplyLost Fault "replies lost";
    /// A request came twice.
    RequestDoubled Fault "requests doubled";
    /// A message came long after it was sent.
    RequestLate Fault "requests very late";
    /// A handler was dropped because its caller hung up.
    HandlerDropped Fault "handlers dropped by a hang-up";
    /// A stream was cut.
    StreamCut Fault "streams cut";
    /// A transaction was refused for certain.
    DiskRefused Fault "transactions refused";
    /// A transaction was done and said to be unknown.
    DiskUnknownDone Fault "commits unknown, done";
    /// A transaction was not done and said to be unknown.
    DiskUnknownLost Fault "commits unknown, not done";
    /// A read failed.
    ReadFailed Fault "reads failed";
    /// A way to a database or back took long.
    DiskSlow Fault "slow transactions";
    /// A database was away for a while.
    DiskOutage Fault "database outages";
    /// A clock was set.
    ClockStep Fault "clocks set forward or back";
    /// The gateway did what it was asked, and its answer was lost.
    GatewayLostAnswer Fault "gateway answers lost";
    /// The gateway never answered.
    GatewayHung Fault "gateway hung";
    /// The gateway did what it was asked seconds later, and never answered.
    GatewayLate Fault "gateway late";
    /// The shared delay queue forgot everything.
    QueueFlushed Fault "delay queues flushed";
    /// The shared delay queue was out of reach.
    QueueAway Fault "delay queue away";

    /// A creation was abandoned, by its creator or by recovery.
    CreationAbandoned Answer "creations abandoned";
    /// An intent whose lease ran out was taken over.
    IntentRecovered Answer "intents recovered";
    /// A creation was dropped without a trace.
    CreationDropped Answer "creations dropped";
    /// A release came before its deduction, and fenced it.
    Fenced Answer "keys fenced before their deduction";
    /// An order was cancelled because money of another amount came.
    WrongAmount Answer "orders cancelled for a wrong amount";
    /// A refund at the payment service called an order off.
    RefundCalledOff Answer "orders called off by a refund";
    /// Money came for an order that could not take it.
    LateMoney Answer "money returned that came too late";
    /// Money came for an order that nobody made.
    StrayMoney Answer "money returned that belonged to no order";
    /// A charge was asked for again under its number.
    ChargedAgain Answer "charges asked for again";
    /// An attempt at a task failed, and it is tried again.
    TaskRetried Answer "tasks tried again";
    /// The feed's lease changed hands.
    LeaseMoved Answer "feed leases taken over";
    /// A payment was tried again, after its charge was refused.
    SecondTry Answer "second tries at a payment";
}

/// How often each moment came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally(Vec<u64>);

impl Default for Tally {
    fn default() -> Self {
        Self(vec![0; Moment::ALL.len()])
    }
}

impl Tally {
    /// How often `moment` came.
    pub fn count(&self, moment: Moment) -> u64 {
        let at = Moment::ALL.iter().position(|other| *other == moment);
        at.and_then(|at| self.0.get(at)).copied().unwrap_or(0)
    }

    fn add(&mut self, moment: Moment) {
        let at = Moment::ALL.iter().position(|other| *other == moment);
        if let Some(count) = at.and_then(|at| self.0.get_mut(at)) {
            *count = count.saturating_add(1);
        }
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum = sum.saturating_add(*count);
        }
    }
}

/// A tally that the whole world writes to.
#[derive(Default)]
pub(crate) struct Counter(Mutex<Tally>);

impl Counter {
    pub(crate) fn add(&self, moment: Moment) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(moment);
    }

    pub(crate) fn tally(&self) -> Tally {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
