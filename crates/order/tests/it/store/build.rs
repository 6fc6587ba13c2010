//! Operations as the store tests write them.

use std::sync::Arc;

use order::domain::{
    AbandonedBy, Basket, Birth, CancelCause, FeedEvent, Intent, IntentStep, Item, LeaseStep,
    NewOrder, Op, Receipt, RequestKey, Stamp, TaskKey, TaskKind, TaskStep,
};
use types::{
    BookId, Fen, IdempotencyKey, OrderId, OrderNo, PaymentNo, PaymentStatus, Quantity, UnixMillis,
    UserId, Violations,
};

pub(crate) const TOTAL: i64 = 500;

pub(crate) fn at(ms: i64) -> UnixMillis {
    UnixMillis::new(ms)
}

pub(crate) fn stamp(ms: i64) -> Stamp {
    Stamp {
        at: at(ms),
        tasks_due_at: at(ms + 5_000),
    }
}

pub(crate) fn order_id(id: u64) -> OrderId {
    OrderId::new(id).unwrap()
}

pub(crate) fn order_no(id: u64) -> OrderNo {
    OrderNo::generate(at(0), id)
}

pub(crate) fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn request(user_id: u64, key: &str, quantity: i32) -> RequestKey {
    let basket = Basket::read([(1, quantity)].into_iter(), &mut Violations::default()).unwrap();
    let key = IdempotencyKey::new(key).unwrap();
    RequestKey {
        key,
        fingerprint: basket.fingerprint(user(user_id)),
    }
}

pub(crate) fn items(count: u64) -> Arc<[Item]> {
    let item = |book| Item {
        book_id: BookId::new(book).unwrap(),
        book_title: format!("三体 {book}"),
        quantity: Quantity::new(5).unwrap(),
        price: Fen::stored(100),
    };
    // Descending, so that a store which sorts them by book is found out.
    (1..=count).rev().map(item).collect()
}

pub(crate) fn insert(id: u64, user_id: u64, request: Option<RequestKey>) -> Op {
    Op::Insert(Box::new(NewOrder {
        id: order_id(id),
        order_no: order_no(id),
        user_id: user(user_id),
        total: Fen::stored(TOTAL),
        items: items(id % 3 + 1),
        request,
        at: at(0),
        birth: Birth::Creating {
            lease_until: at(10_000),
        },
        may_be_there: false,
    }))
}

/// An order whose stock is held under the intent that begins with `first`.
pub(crate) fn insert_held(id: u64, first: u64) -> Op {
    let Op::Insert(mut new) = insert(id, 1, None) else {
        unreachable!("an insert")
    };
    new.birth = Birth::Held {
        intent: order_id(first),
        expire_at: at(900),
    };
    Op::Insert(new)
}

/// The same once more, by somebody who does not know whether it is there.
pub(crate) fn insert_held_again(id: u64, first: u64) -> Op {
    let Op::Insert(mut new) = insert_held(id, first) else {
        unreachable!("an insert")
    };
    new.may_be_there = true;
    Op::Insert(new)
}

pub(crate) fn intent(first: u64, last: u64) -> Intent {
    Intent {
        first: order_id(first),
        last: order_id(last),
        numbered_at: at(0),
        lease_until: at(7_000),
        written: 0,
        recovering: false,
    }
}

pub(crate) fn open_intent(first: u64, last: u64) -> Op {
    move_intent(first, IntentStep::Open(intent(first, last)))
}

pub(crate) fn take_over(first: u64, now: i64) -> Op {
    let (at, until) = (at(now), at(now + 7_000));
    move_intent(first, IntentStep::TakeOver { at, until })
}

pub(crate) fn move_intent(first: u64, step: IntentStep) -> Op {
    let first = order_id(first);
    Op::Intent { first, step }
}

pub(crate) fn confirm(id: u64, expire_at: i64) -> Op {
    Op::Confirm {
        id: order_id(id),
        at: at(1),
        expire_at: at(expire_at),
    }
}

pub(crate) fn drop_order(id: u64) -> Op {
    Op::Drop { id: order_id(id) }
}

pub(crate) fn abandon(id: u64, by: AbandonedBy, now: i64) -> Op {
    Op::Abandon {
        id: order_id(id),
        by,
        stamp: stamp(now),
    }
}

pub(crate) fn cancel(id: u64) -> Op {
    let why = CancelCause::Asked("不要了".to_owned());
    Op::Cancel {
        id: order_id(id),
        why,
        stamp: stamp(2),
    }
}

pub(crate) fn expire(id: u64, now: i64) -> Op {
    Op::Cancel {
        id: order_id(id),
        why: CancelCause::Expired,
        stamp: stamp(now),
    }
}

pub(crate) fn ship(id: u64) -> Op {
    Op::Ship {
        id: order_id(id),
        stamp: stamp(3),
    }
}

pub(crate) fn complete(id: u64) -> Op {
    Op::Complete {
        id: order_id(id),
        at: at(4),
    }
}

pub(crate) fn payment_no(id: u64) -> PaymentNo {
    PaymentNo::generate(at(0), id)
}

pub(crate) fn pay(id: u64, fen: i64) -> Op {
    let receipt = Receipt {
        payment_no: payment_no(id),
        third_party_no: Some("MOCK".to_owned()),
        amount: Fen::stored(fen),
    };
    Op::Pay {
        id: order_id(id),
        receipt,
        stamp: stamp(5),
    }
}

pub(crate) fn event(event_id: u64, id: u64, status: PaymentStatus) -> FeedEvent {
    FeedEvent {
        event_id,
        order_id: order_id(id),
        payment_no: payment_no(id),
        amount: Fen::stored(TOTAL),
        status,
        created_at: at(6),
    }
}

pub(crate) fn follow(events: Vec<FeedEvent>) -> Op {
    Op::Follow {
        events,
        stamp: stamp(7),
    }
}

pub(crate) fn task(id: u64, kind: TaskKind, step: TaskStep) -> Op {
    Op::Task {
        key: TaskKey {
            order_id: order_id(id),
            kind,
        },
        step,
    }
}

pub(crate) fn fail(held_until: i64, due_at: i64, refused: bool) -> TaskStep {
    let (held_until, due_at) = (at(held_until), at(due_at));
    TaskStep::Fail {
        held_until,
        due_at,
        refused,
        error: "没有回答".repeat(200),
    }
}

pub(crate) fn lease(holder: &str, step: LeaseStep) -> Op {
    Op::Lease {
        name: "follow_payments",
        holder: holder.into(),
        step,
    }
}
