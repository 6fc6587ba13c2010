//! Proves the rules of orders; here are the helpers that the tests share.

mod create;
mod intents;
mod money;
mod moves;
mod sequences;
mod tasks;

use std::sync::Arc;

use types::{
    BookId, Fen, IdempotencyKey, OrderId, OrderNo, OrderStatus, PaymentNo, PaymentStatus, Quantity,
    UnixMillis, UserId,
};

use crate::domain::{
    AbandonedBy, Basket, Birth, CancelCause, FeedEvent, Followed, Inserted, Intent, IntentStep,
    Item, LeaseStep, Moved, NewOrder, Op, Outcome, REFUSALS_MAX, Receipt, RequestKey, Rows, Stage,
    Stamp, TaskKey, TaskKind, TaskStep, Verdict, is_legal,
};

const TOTAL: i64 = 500;

fn at(ms: i64) -> UnixMillis {
    UnixMillis::new(ms)
}

fn stamp(ms: i64) -> Stamp {
    Stamp {
        at: at(ms),
        tasks_due_at: at(ms + 5_000),
    }
}

fn order(id: u64) -> OrderId {
    OrderId::new(id).unwrap()
}

fn task(id: u64, kind: TaskKind) -> TaskKey {
    TaskKey {
        order_id: order(id),
        kind,
    }
}

fn request(key: &str, books: &[(u64, i32)]) -> RequestKey {
    let basket = Basket::read(books.iter().copied(), &mut types::Violations::default()).unwrap();
    RequestKey {
        key: IdempotencyKey::new(key).unwrap(),
        fingerprint: basket.fingerprint(UserId::new(1).unwrap()),
    }
}

fn new_order(id: u64, request: Option<RequestKey>) -> Op {
    let item = Item {
        book_id: BookId::new(1).unwrap(),
        book_title: "三体".to_owned(),
        quantity: Quantity::new(5).unwrap(),
        price: Fen::stored(100),
    };
    Op::Insert(Box::new(NewOrder {
        id: order(id),
        order_no: OrderNo::generate(at(0), id),
        user_id: UserId::new(1).unwrap(),
        total: Fen::stored(TOTAL),
        items: Arc::new([item]),
        request,
        at: at(0),
        birth: Birth::Creating {
            lease_until: at(10_000),
        },
        may_be_there: false,
    }))
}

fn confirm(id: u64) -> Op {
    Op::Confirm {
        id: order(id),
        at: at(1),
        expire_at: at(1_000),
    }
}

fn cancel(id: u64) -> Op {
    Op::Cancel {
        id: order(id),
        why: CancelCause::Asked("changed my mind".to_owned()),
        stamp: stamp(2),
    }
}

fn expire(id: u64, now: i64) -> Op {
    Op::Cancel {
        id: order(id),
        why: CancelCause::Expired,
        stamp: stamp(now),
    }
}

fn abandon(id: u64, by: AbandonedBy, now: i64) -> Op {
    Op::Abandon {
        id: order(id),
        by,
        stamp: stamp(now),
    }
}

fn ship(id: u64) -> Op {
    Op::Ship {
        id: order(id),
        stamp: stamp(3),
    }
}

fn complete(id: u64) -> Op {
    Op::Complete {
        id: order(id),
        at: at(4),
    }
}

fn payment_no(id: u64) -> PaymentNo {
    PaymentNo::generate(at(0), id)
}

fn pay(id: u64, fen: i64) -> Op {
    let receipt = Receipt {
        payment_no: payment_no(id),
        third_party_no: Some("T".to_owned()),
        amount: Fen::stored(fen),
    };
    Op::Pay {
        id: order(id),
        receipt,
        stamp: stamp(5),
    }
}

fn event(event_id: u64, id: u64, fen: i64, status: PaymentStatus) -> FeedEvent {
    FeedEvent {
        event_id,
        order_id: order(id),
        payment_no: payment_no(id),
        amount: Fen::stored(fen),
        status,
        created_at: at(6),
    }
}

fn follow(events: Vec<FeedEvent>) -> Op {
    Op::Follow {
        events,
        stamp: stamp(7),
    }
}

fn moved(rows: &mut Rows, op: &Op) -> Moved {
    match rows.apply(op) {
        Outcome::Move(Some(moved)) => *moved,
        other => panic!("{op:?} answered {other:?}"),
    }
}

fn kinds(moved: &Moved) -> Vec<TaskKind> {
    moved.tasks.iter().map(|task| task.key.kind).collect()
}

/// Rows with order 1 at `stage`.
fn rows_at(stage: Stage) -> Rows {
    let mut rows = Rows::default();
    let path: &[Op] = match stage {
        Stage::Creating => &[],
        Stage::Abandoned => &[abandon(1, AbandonedBy::Creator, 1)],
        Stage::Live(OrderStatus::Pending) => &[confirm(1)],
        Stage::Live(OrderStatus::Cancelled) => &[confirm(1), cancel(1)],
        Stage::Live(OrderStatus::Paid) => &[confirm(1), pay(1, TOTAL)],
        Stage::Live(OrderStatus::Shipped) => &[confirm(1), pay(1, TOTAL), ship(1)],
        Stage::Live(OrderStatus::Completed) => &[confirm(1), pay(1, TOTAL), ship(1), complete(1)],
    };
    rows.apply(&new_order(1, None));
    for op in path {
        assert_eq!(moved(&mut rows, op).verdict, Verdict::Now);
    }
    assert_eq!(rows.order(order(1)).unwrap().stage, stage);
    rows
}
