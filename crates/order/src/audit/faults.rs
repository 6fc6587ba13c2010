use std::fmt;
use std::time::Duration;

use types::{Fen, OrderStatus, UnixMillis};

use super::OrderRecord;
use crate::domain::{Intent, Stage, is_legal};

/// How long a PENDING order may outlast its deadline, a CREATING one its lease, and an intent its
/// opening, before that is a fault: the slowest way of ending it, and a margin.
const PATIENCE: Duration = Duration::from_mins(1);

/// An inconsistency within one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Its number is that of another id, so a lookup by number does not find it.
    WrongNumber,
    /// It has no items.
    NoItems,
    /// Its items add up to another total.
    WrongTotal {
        /// What they add up to; `None` past 64 bits.
        items: Option<Fen>,
        /// What the order says.
        total: Fen,
    },
    /// Its history has a transition that the state machine does not have.
    IllegalMove {
        /// Where it came from.
        from: OrderStatus,
        /// Where it went.
        to: OrderStatus,
    },
    /// Its history does not lead from PENDING to where it stands.
    BrokenHistory {
        /// Where the history leads; `None` where its transitions do not connect.
        leads_to: Option<OrderStatus>,
        /// Where the order stands.
        stands: Stage,
    },
    /// It is paid or refunded, but no payment is recorded.
    NoPayment,
    /// It is PAID, but its money was refunded.
    RefundedYetPaid,
    /// It is cancelled without a cause, or has a cause and is not cancelled.
    WrongCause,
    /// It is still PENDING long after its deadline.
    Overdue {
        /// How long.
        by: Duration,
    },
    /// It is still CREATING long after its creator's lease.
    ForgottenCreation {
        /// How long.
        by: Duration,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongNumber => f.write_str("its number is not of its id"),
            Self::NoItems => f.write_str("has no items"),
            Self::WrongTotal {
                items: Some(items),
                total,
            } => {
                write!(f, "its items add up to {items}, its total is {total}")
            }
            Self::WrongTotal { items: None, total } => {
                write!(
                    f,
                    "its items add up to more than fits, its total is {total}"
                )
            }
            Self::IllegalMove { from, to } => write!(f, "went from {from} to {to}"),
            Self::BrokenHistory {
                leads_to: Some(state),
                stands,
            } => {
                write!(
                    f,
                    "its history leads to {state}, it stands at {}",
                    stands.name()
                )
            }
            Self::BrokenHistory {
                leads_to: None,
                stands,
            } => {
                write!(
                    f,
                    "its history does not hang together; it stands at {}",
                    stands.name()
                )
            }
            Self::NoPayment => f.write_str("money moved, and no payment is noted"),
            Self::RefundedYetPaid => f.write_str("counts as paid, and its money went back"),
            Self::WrongCause => f.write_str("its state and the cause of its cancellation differ"),
            Self::Overdue { by } => write!(f, "still PENDING {by:?} after its deadline"),
            Self::ForgottenCreation { by } => write!(f, "still CREATING {by:?} after its lease"),
        }
    }
}

/// Everything that is wrong with one order by itself, as of `now`.
pub fn find_faults(record: &OrderRecord, now: UnixMillis) -> Vec<Fault> {
    let mut faults = Vec::new();
    if record.order.order_no.serial() != Some(record.order.id.get()) {
        faults.push(Fault::WrongNumber);
    }
    check_items(record, &mut faults);
    check_history(record, &mut faults);
    check_money(record, &mut faults);
    check_deadline(record, now, &mut faults);
    faults
}

/// How long an intent that should have been settled has been open, as of `now`; `None` where it may
/// still be in time. Its lease says nothing: every failed recovery extends it.
pub fn forgotten_for(intent: &Intent, now: UnixMillis) -> Option<Duration> {
    let open_for = now.since(intent.numbered_at);
    (open_for > PATIENCE).then_some(open_for)
}

fn check_items(record: &OrderRecord, faults: &mut Vec<Fault>) {
    if record.items.is_empty() {
        faults.push(Fault::NoItems);
        return;
    }
    let mut costs = record
        .items
        .iter()
        .map(|item| item.price.checked_times(item.quantity));
    let items = costs.try_fold(Fen::ZERO, |sum, cost| sum.checked_add(cost?));
    if items != Some(record.order.total) {
        faults.push(Fault::WrongTotal {
            items,
            total: record.order.total,
        });
    }
}

fn check_history(record: &OrderRecord, faults: &mut Vec<Fault>) {
    let stands = record.order.stage;
    let mut at = Some(OrderStatus::Pending);
    for row in &record.history {
        if !is_legal(Stage::Live(row.from), Stage::Live(row.to)) {
            faults.push(Fault::IllegalMove {
                from: row.from,
                to: row.to,
            });
        }
        at = (at == Some(row.from)).then_some(row.to);
    }
    let agrees = match stands.shown() {
        Some(status) => at == Some(status),
        None => record.history.is_empty(),
    };
    if !agrees {
        faults.push(Fault::BrokenHistory {
            leads_to: at,
            stands,
        });
    }
}

fn check_money(record: &OrderRecord, faults: &mut Vec<Fault>) {
    let order = &record.order;
    if (record.is_paid() || order.refunded) && order.payment.is_none() {
        faults.push(Fault::NoPayment);
    }
    // Goods that have left stay sold, whatever is refunded at the payment service later.
    if order.refunded && order.stage == Stage::Live(OrderStatus::Paid) {
        faults.push(Fault::RefundedYetPaid);
    }
    if order.cancelled.is_some() != (order.stage == Stage::Live(OrderStatus::Cancelled)) {
        faults.push(Fault::WrongCause);
    }
}

fn check_deadline(record: &OrderRecord, now: UnixMillis, faults: &mut Vec<Fault>) {
    let by = now.since(record.order.expire_at);
    if by <= PATIENCE {
        return;
    }
    match record.order.stage {
        Stage::Live(OrderStatus::Pending) => faults.push(Fault::Overdue { by }),
        Stage::Creating => faults.push(Fault::ForgottenCreation { by }),
        Stage::Abandoned
        | Stage::Live(
            OrderStatus::Paid
            | OrderStatus::Shipped
            | OrderStatus::Completed
            | OrderStatus::Cancelled,
        ) => {}
    }
}

#[cfg(test)]
mod tests {
    //! Proves that each fault is seen, and that a sound order has none.

    use types::{BookId, OrderId, OrderNo, PaymentNo, Quantity, UserId};

    use super::*;
    use crate::domain::{CancelCause, HistoryRow, Item, Order, PaymentRef};

    const NOW: UnixMillis = UnixMillis::new(1_000_000);

    fn record(status: OrderStatus, path: &[OrderStatus]) -> OrderRecord {
        let id = OrderId::new(1).unwrap();
        let froms = std::iter::once(&OrderStatus::Pending).chain(path);
        let history = froms
            .zip(path)
            .map(|(from, to)| HistoryRow {
                order_id: id,
                from: *from,
                to: *to,
                at: NOW,
            })
            .collect();
        let payment_no = PaymentNo::generate(NOW, 1);
        let item = Item {
            book_id: BookId::new(1).unwrap(),
            book_title: "t".to_owned(),
            quantity: Quantity::new(2).unwrap(),
            price: Fen::stored(50),
        };
        let order = Order {
            id,
            order_no: OrderNo::generate(NOW, 1),
            user_id: UserId::new(1).unwrap(),
            total: Fen::stored(100),
            stage: Stage::Live(status),
            created_at: NOW,
            updated_at: NOW,
            expire_at: NOW,
            request: None,
            payment: (path.contains(&OrderStatus::Paid)).then_some(PaymentRef {
                payment_no,
                third_party_no: None,
            }),
            refunded: false,
            cancelled: (status == OrderStatus::Cancelled).then_some(CancelCause::Expired),
        };
        OrderRecord {
            order,
            items: vec![item],
            history,
        }
    }

    #[test]
    fn sound_orders_have_no_faults() {
        use OrderStatus::{Cancelled, Completed, Paid, Pending, Shipped};
        let paths: [&[OrderStatus]; 6] = [
            &[],
            &[Cancelled],
            &[Paid],
            &[Paid, Cancelled],
            &[Paid, Shipped],
            &[Paid, Shipped, Completed],
        ];
        for path in paths {
            let sound = record(*path.last().unwrap_or(&Pending), path);
            assert_eq!(find_faults(&sound, NOW), [], "{path:?}");
        }
    }

    #[test]
    fn each_fault_is_seen() {
        use OrderStatus::{Cancelled, Paid, Pending, Shipped};
        let late = NOW.plus(PATIENCE * 2);
        let faults = |change: &dyn Fn(&mut OrderRecord), mut record: OrderRecord| {
            change(&mut record);
            find_faults(&record, NOW)
        };
        let unpaid = || record(Pending, &[]);
        let paid = || record(Paid, &[Paid]);

        assert_eq!(
            faults(&|r| r.order.order_no = OrderNo::generate(NOW, 2), unpaid()),
            [Fault::WrongNumber]
        );
        assert_eq!(faults(&|r| r.items.clear(), unpaid()), [Fault::NoItems]);
        let wrong = Fault::WrongTotal {
            items: Some(Fen::stored(100)),
            total: Fen::stored(99),
        };
        assert_eq!(
            faults(&|r| r.order.total = Fen::stored(99), unpaid()),
            [wrong]
        );
        let leap = faults(&|_| (), record(Shipped, &[Shipped]));
        assert!(
            leap.contains(&Fault::IllegalMove {
                from: Pending,
                to: Shipped
            }),
            "{leap:?}"
        );
        let unsaid = Fault::BrokenHistory {
            leads_to: Some(Pending),
            stands: Stage::Live(Paid),
        };
        assert_eq!(faults(&|r| r.history.clear(), paid()), [unsaid]);
        assert_eq!(
            faults(&|r| r.order.payment = None, paid()),
            [Fault::NoPayment]
        );
        assert_eq!(
            faults(&|r| r.order.refunded = true, paid()),
            [Fault::RefundedYetPaid]
        );
        let causeless = record(Cancelled, &[Cancelled]);
        assert_eq!(
            faults(&|r| r.order.cancelled = None, causeless),
            [Fault::WrongCause]
        );
        assert_eq!(
            find_faults(&unpaid(), late),
            [Fault::Overdue { by: PATIENCE * 2 }]
        );
        let mut creating = unpaid();
        creating.order.stage = Stage::Creating;
        let forgotten = [Fault::ForgottenCreation { by: PATIENCE * 2 }];
        assert_eq!(find_faults(&creating, late), forgotten);
    }
}
