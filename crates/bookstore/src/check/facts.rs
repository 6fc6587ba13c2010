use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use order::audit::{Fault, OrderRecord};
use order::domain::{Intent, Stage, Task, TaskKey, TaskKind};
use types::{BookId, Fen, OrderId, OrderNo, OrderStatus, PaymentNo, UnixMillis};

/// One reading of all four databases: plain data, as far as the laws need it.
///
/// Each part is of its own moment. `orders` comes first: its cursor, its tasks, its intents, then its rows,
/// page by page; the others come after it, each on one snapshot or a few.
#[derive(Debug)]
pub(crate) struct Facts {
    /// When the reading began.
    pub(crate) read_at: UnixMillis,
    /// `order_db`.
    pub(crate) orders: Orders,
    /// `inventory_db`.
    pub(crate) stock: inventory::audit::Audit,
    /// `payment_db`.
    pub(crate) money: payment::audit::Audit,
    /// `catalog_db`.
    pub(crate) catalog: Catalog,
}

/// What `order_db` says.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// Every order, hidden ones included, by ascending id.
    pub(crate) rows: Vec<OrderFact>,
    /// What is wrong with an order by itself.
    pub(crate) faults: Vec<(OrderName, Fault)>,
    /// Every task.
    pub(crate) tasks: BTreeMap<TaskKey, Task>,
    /// Every intent that is open.
    pub(crate) intents: Vec<Intent>,
    /// The last event of the payment feed that was applied.
    pub(crate) cursor: u64,
    /// Every book that was ever ordered.
    pub(crate) books: BTreeSet<BookId>,
    /// Whether some replica of the service is alive, and so will mend what it can.
    pub(crate) is_running: bool,
}

/// What `catalog_db` says.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// How many books there are.
    pub(crate) books: u64,
    /// What is wrong with one by itself.
    pub(crate) faults: Vec<catalog::audit::Fault>,
    /// Ordered books that it does not know.
    pub(crate) missing: Vec<BookId>,
}

/// How an order is named to people: by its number, and by the id that payments go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderName {
    pub(crate) id: OrderId,
    pub(crate) number: OrderNo,
}

impl fmt::Display for OrderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {} (id {})", self.number, self.id)
    }
}

/// An order, as far as other databases have to agree with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderFact {
    pub(crate) name: OrderName,
    pub(crate) stage: Stage,
    pub(crate) total: Fen,
    pub(crate) created_at: UnixMillis,
    /// The payment noted on it.
    pub(crate) payment_no: Option<PaymentNo>,
    /// Whether its money goes, or went, back.
    pub(crate) refunded: bool,
    /// The copies of each book that it must hold, ascending by book; none where it must hold none.
    pub(crate) to_hold: Vec<(BookId, i64)>,
}

impl OrderFact {
    /// Keeps of `record` what is to be compared.
    pub(crate) fn of(record: &OrderRecord) -> Self {
        let order = &record.order;
        let mut copies: BTreeMap<BookId, i64> = BTreeMap::new();
        if record.holds_stock() {
            for item in &record.items {
                let sum = copies.entry(item.book_id).or_default();
                *sum = sum.saturating_add(item.quantity.get().into());
            }
        }
        Self {
            name: OrderName {
                id: order.id,
                number: order.order_no.clone(),
            },
            stage: order.stage,
            total: order.total,
            created_at: order.created_at,
            payment_no: order
                .payment
                .as_ref()
                .map(|payment| payment.payment_no.clone()),
            refunded: order.refunded,
            to_hold: copies.into_iter().collect(),
        }
    }

    /// Whether it must hold its items.
    pub(crate) const fn holds_stock(&self) -> bool {
        matches!(
            self.stage,
            Stage::Live(OrderStatus::Pending | OrderStatus::Paid)
        )
    }

    /// Whether it counts as paid for.
    pub(crate) const fn is_paid(&self) -> bool {
        matches!(
            self.stage,
            Stage::Live(OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Completed)
        )
    }
}

impl Orders {
    /// The order with this id.
    pub(crate) fn find(&self, id: OrderId) -> Option<&OrderFact> {
        let at = self
            .rows
            .binary_search_by_key(&id, |order| order.name.id)
            .ok()?;
        self.rows.get(at)
    }

    /// Whether what is held under this number for this id is a creation's, which somebody is to settle.
    pub(crate) fn is_intended(&self, id: u64, number: &str) -> bool {
        let Some(id) = OrderId::new(id) else {
            return false;
        };
        let mut intents = self.intents.iter().filter(|intent| intent.covers(id));
        intents.any(|intent| intent.number(id).as_str() == number)
    }

    /// How the order with this id is named, whether it is there or not.
    pub(crate) fn name_of(&self, id: OrderId) -> String {
        self.find(id)
            .map_or_else(|| format!("order id {id}"), |order| order.name.to_string())
    }

    /// Whether a task of this kind is still to be done for the order, parked or not.
    pub(crate) fn has_task(&self, order_id: OrderId, kind: TaskKind) -> bool {
        self.tasks.contains_key(&TaskKey { order_id, kind })
    }
}

#[cfg(test)]
mod tests {
    use order::domain::{Item, Order};
    use types::{Quantity, UserId};

    use super::*;

    fn record(status: OrderStatus, lines: &[(u64, i32)]) -> OrderRecord {
        let now = UnixMillis::new(0);
        let order = Order {
            id: OrderId::new(1).unwrap(),
            order_no: OrderNo::generate(now, 1),
            user_id: UserId::new(1).unwrap(),
            total: Fen::ZERO,
            stage: Stage::Live(status),
            created_at: now,
            updated_at: now,
            expire_at: now,
            request: None,
            payment: None,
            refunded: false,
            cancelled: None,
        };
        let item = |&(book, copies)| Item {
            book_id: BookId::new(book).unwrap(),
            book_title: String::new(),
            quantity: Quantity::new(copies).unwrap(),
            price: Fen::ZERO,
        };
        OrderRecord {
            order,
            items: lines.iter().map(item).collect(),
            history: vec![],
        }
    }

    #[test]
    fn an_order_has_to_hold_the_sum_of_its_lines_while_it_holds_at_all() {
        let lines = [(7, 2), (3, 1), (7, 3)];
        let sums = [(3, 1), (7, 5)].map(|(book, copies)| (BookId::new(book).unwrap(), copies));
        for status in OrderStatus::ALL {
            let fact = OrderFact::of(&record(status, &lines));
            let holds = matches!(status, OrderStatus::Pending | OrderStatus::Paid);
            let expected: &[_] = if holds { &sums } else { &[] };
            assert_eq!(fact.to_hold, expected, "{status}");
            assert_eq!(fact.holds_stock(), holds, "{status}");
        }
    }
}
