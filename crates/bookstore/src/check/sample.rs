//! A small sound system for tests to break: one order in every state there is.

use std::collections::{BTreeMap, BTreeSet};

use inventory::audit::{Audit as Stock, BookAudit, OpenHold};
use inventory::domain::{Line, Reference};
use order::domain::{Intent, Stage, Task, TaskKey, TaskKind};
use payment::audit::{Audit as Money, PaymentRow};
use types::{
    BookId, Fen, IdempotencyKey, OrderId, OrderNo, OrderStatus, PaymentNo, PaymentStatus, Quantity,
    UnixMillis,
};

use super::facts::{Catalog, Facts, OrderFact, OrderName, Orders};
use super::finding::{Finding, Invariant};
use super::invariants;

pub(super) const NOW: UnixMillis = UnixMillis::new(1_795_355_045_000);
/// What every order of the sample costs.
const TOTAL: Fen = Fen::stored(25_600);

pub(super) const PENDING: u64 = 1;
pub(super) const PAID: u64 = 2;
pub(super) const SHIPPED: u64 = 3;
pub(super) const COMPLETED: u64 = 4;
pub(super) const CANCELLED: u64 = 5;
pub(super) const REFUNDED: u64 = 6;
pub(super) const CREATING: u64 = 7;
pub(super) const ABANDONED: u64 = 8;
/// No order has this id.
pub(super) const UNKNOWN: u64 = 9;

/// Two books, an order of two copies of book 1 in every state, and nothing wrong anywhere.
pub(super) fn sound() -> Facts {
    let live = Stage::Live;
    let rows = vec![
        order(PENDING, live(OrderStatus::Pending)),
        order(PAID, live(OrderStatus::Paid)),
        order(SHIPPED, live(OrderStatus::Shipped)),
        order(COMPLETED, live(OrderStatus::Completed)),
        order(CANCELLED, live(OrderStatus::Cancelled)),
        OrderFact {
            refunded: true,
            ..order(REFUNDED, live(OrderStatus::Cancelled))
        },
        order(CREATING, Stage::Creating),
        order(ABANDONED, Stage::Abandoned),
    ];
    let holds = [PENDING, PAID].map(|id| hold(number(id).as_str(), id, &[(1, 2)]));
    let payments = [
        payment(PAID, PaymentStatus::Paid),
        payment(SHIPPED, PaymentStatus::Paid),
        payment(COMPLETED, PaymentStatus::Paid),
        payment(REFUNDED, PaymentStatus::Refunded),
    ];
    Facts {
        read_at: NOW,
        orders: Orders {
            rows,
            faults: vec![],
            tasks: BTreeMap::new(),
            intents: vec![],
            cursor: 10,
            books: BTreeSet::from([book(1)]),
            is_running: true,
        },
        stock: Stock {
            books: vec![balance(1, 92, 4, 100, 4), balance(2, 10, 0, 10, 0)],
            holds: holds.into(),
            problems: vec![],
        },
        money: Money {
            payments: payments.into(),
            open_attempts: vec![],
            last_event_id: 10,
            findings: vec![],
        },
        catalog: Catalog {
            books: 2,
            faults: vec![],
            missing: vec![],
        },
    }
}

/// Everything that the laws find in `facts`.
pub(super) fn found(facts: &Facts) -> Vec<Finding> {
    invariants::judge(facts)
}

/// The one finding in `facts`, which breaks `law`.
pub(super) fn only(facts: &Facts, law: Invariant) -> Finding {
    let mut findings = found(facts);
    let laws: Vec<_> = findings.iter().map(|finding| finding.invariant).collect();
    assert_eq!(laws, [law], "{findings:?}");
    findings.remove(0)
}

pub(super) fn book(id: u64) -> BookId {
    BookId::new(id).unwrap()
}

pub(super) fn line(id: u64, copies: i32) -> Line {
    Line {
        book: book(id),
        quantity: Quantity::new(copies).unwrap(),
    }
}

pub(super) fn copies(lines: &[(u64, i64)]) -> Vec<(BookId, i64)> {
    lines
        .iter()
        .map(|(id, copies)| (book(*id), *copies))
        .collect()
}

/// An intent whose creator is at it.
pub(super) fn intent(first: u64, last: u64) -> Intent {
    Intent {
        first: OrderId::new(first).unwrap(),
        last: OrderId::new(last).unwrap(),
        numbered_at: NOW,
        lease_until: NOW.plus(std::time::Duration::from_secs(7)),
        written: 0,
        recovering: false,
    }
}

/// A batch hold under `key`.
pub(super) fn hold(key: &str, reference: u64, lines: &[(u64, i32)]) -> OpenHold {
    OpenHold {
        key: IdempotencyKey::new(key).unwrap(),
        reference: Reference::new(reference).unwrap(),
        is_batch: true,
        changed_at: NOW,
        lines: lines
            .iter()
            .map(|(id, copies)| line(*id, *copies))
            .collect(),
    }
}

/// Brings the reserved copies of every book in step with the holds.
pub(super) fn reserve_what_is_held(facts: &mut Facts) {
    for audited in &mut facts.stock.books {
        let lines = facts.stock.holds.iter().flat_map(|hold| &hold.lines);
        let of_book = lines.filter(|line| line.book == audited.stock.book);
        audited.stock.reserved = of_book.map(|line| line.quantity.get()).sum();
    }
}

/// A task that was recorded just now.
pub(super) fn task(id: u64, kind: TaskKind) -> (TaskKey, Task) {
    let key = TaskKey {
        order_id: order_id(id),
        kind,
    };
    (key, Task::new(key, Some(number(id)), NOW, NOW))
}

pub(super) fn order_mut(facts: &mut Facts, id: u64) -> &mut OrderFact {
    facts
        .orders
        .rows
        .iter_mut()
        .find(|order| order.name.id.get() == id)
        .unwrap()
}

pub(super) fn payment_mut(facts: &mut Facts, id: u64) -> &mut PaymentRow {
    facts
        .money
        .payments
        .iter_mut()
        .find(|payment| payment.order_id.get() == id)
        .unwrap()
}

/// Adds a payment for the order.
pub(super) fn pay(facts: &mut Facts, id: u64, status: PaymentStatus) {
    facts.money.payments.push(payment(id, status));
    facts.money.payments.sort_by_key(|payment| payment.order_id);
}

/// Takes the order's payment away.
pub(super) fn unpay(facts: &mut Facts, id: u64) {
    facts
        .money
        .payments
        .retain(|payment| payment.order_id.get() != id);
}

fn order_id(id: u64) -> OrderId {
    OrderId::new(id).unwrap()
}

fn number(id: u64) -> OrderNo {
    OrderNo::generate(NOW, id)
}

fn order(id: u64, stage: Stage) -> OrderFact {
    let mut order = OrderFact {
        name: OrderName {
            id: order_id(id),
            number: number(id),
        },
        stage,
        total: TOTAL,
        created_at: NOW,
        payment_no: None,
        refunded: false,
        to_hold: vec![],
    };
    if order.is_paid() {
        order.payment_no = Some(PaymentNo::generate(NOW, id));
    }
    if order.holds_stock() {
        order.to_hold = copies(&[(1, 2)]);
    }
    order
}

fn payment(id: u64, status: PaymentStatus) -> PaymentRow {
    PaymentRow {
        order_id: order_id(id),
        payment_no: PaymentNo::generate(NOW, id),
        amount: TOTAL,
        status,
        updated_at: NOW,
    }
}

fn balance(id: u64, quantity: i32, reserved: i32, restocked: i64, committed: i64) -> BookAudit {
    let stock = inventory::domain::Stock {
        book: book(id),
        quantity,
        reserved,
        version: 1,
    };
    BookAudit {
        stock,
        restocked,
        committed,
    }
}
