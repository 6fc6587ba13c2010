//! Orders, after every transaction: legal moves alone, totals that are their items, one order a key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use order::domain::{
    CancelCause, Intent, IntentStep, MOVES, Op, Order, Outcome, Rows, Stage, Task, TaskKey,
    TaskKind, TaskStep, is_legal,
};
use types::{Fen, OrderId, OrderNo, OrderStatus};

use crate::tally::Moment;
use crate::world::{World, lock};

/// Orders as they were after the last transaction.
#[derive(Default)]
pub(crate) struct OrderWatch {
    known: BTreeMap<OrderId, Known>,
    numbers: BTreeSet<OrderNo>,
    history_len: usize,
    tasks: BTreeSet<TaskKey>,
    intents: BTreeMap<OrderId, Intent>,
    cursor: u64,
    lease_holder: Option<Arc<str>>,
}

struct Known {
    stage: Stage,
    total: Fen,
}

/// Looks at what a transaction of the orders left behind.
pub(crate) fn after_orders_moved(world: &World, batch: &[Op], outcomes: &[Outcome]) {
    let watch = &mut lock(&world.watch).orders;
    let (mut moves_orders, mut moves_intents) = (false, false);
    for (op, outcome) in batch.iter().zip(outcomes) {
        match (op, outcome) {
            (Op::Lease { holder, .. }, Outcome::Lease(true)) => note_lease(world, watch, holder),
            (Op::Lease { .. }, _) => {}
            (Op::Task { step, .. }, outcome) => note_task_step(world, step, outcome),
            (Op::Intent { step, .. }, Outcome::Intent(moved)) => {
                if *moved && matches!(step, IntentStep::TakeOver { .. }) {
                    world.count(Moment::IntentRecovered);
                }
                moves_intents = true;
            }
            _ => moves_orders = true,
        }
    }
    if moves_intents {
        world
            .stores
            .order
            .inspect(|rows| judge_intents(world, watch, rows));
    }
    if moves_orders {
        world.stores.order.inspect(|rows| {
            judge_tasks(world, watch, rows);
            judge_orders(world, watch, rows);
            judge_history(world, watch, rows);
            judge_cursor(world, watch, rows);
        });
    }
}

/// An intent goes when each of its ids has an order or holds nothing.
fn judge_intents(world: &World, watch: &mut OrderWatch, rows: &Rows) {
    let is_there = |first: &OrderId| rows.intents().any(|intent| intent.first == *first);
    for (_, closed) in watch.intents.extract_if(.., |first, _| !is_there(first)) {
        for id in closed.ids().filter(|id| rows.order(*id).is_none()) {
            let number = closed.number(id);
            if super::stock::is_held(world, &number) {
                world.break_law("a-closed-intent-holds-nothing", number.to_string());
            }
        }
    }
    let all = rows.intents().map(|intent| (intent.first, *intent));
    watch.intents.extend(all);
}

fn note_lease(world: &World, watch: &mut OrderWatch, holder: &Arc<str>) {
    if watch.lease_holder.as_ref() != Some(holder) {
        if watch.lease_holder.is_some() {
            world.count(Moment::LeaseMoved);
        }
        world
            .trace
            .tell(format_args!("{holder} follows the payments"));
        watch.lease_holder = Some(Arc::clone(holder));
    }
}

fn note_task_step(world: &World, step: &TaskStep, outcome: &Outcome) {
    if matches!(step, TaskStep::Fail { .. })
        && let Outcome::Task(Some(task)) = outcome
    {
        world.count(Moment::TaskRetried);
        let (key, error) = (task.key, &task.last_error);
        world
            .trace
            .tell(format_args!("task {key:?} failed: {error:?}"));
        if task.parked {
            world.break_law("no-task-is-parked", format!("{task:?}"));
        }
    }
}

/// Before the orders: it looks at where they stood.
fn judge_tasks(world: &World, watch: &mut OrderWatch, rows: &Rows) {
    for task in rows.tasks() {
        if watch.tasks.insert(task.key) && task.key.kind == TaskKind::Refund {
            note_refund(world, watch, rows, task);
        }
    }
}

fn note_refund(world: &World, watch: &OrderWatch, rows: &Rows, task: &Task) {
    let id = task.key.order_id;
    if rows.order(id).is_none() {
        world.count(Moment::StrayMoney);
    }
    if let Some(known) = watch.known.get(&id)
        && matches!(
            known.stage,
            Stage::Abandoned | Stage::Live(OrderStatus::Cancelled)
        )
    {
        world.count(Moment::LateMoney);
    }
}

fn judge_orders(world: &World, watch: &mut OrderWatch, rows: &Rows) {
    for order in rows.orders() {
        let Some(known) = watch.known.get_mut(&order.id) else {
            judge_birth(world, watch, rows, order);
            continue;
        };
        if known.total != order.total {
            world.break_law("totals-never-change", format!("{order:?}"));
        }
        if known.stage != order.stage {
            if !leads(known.stage, order.stage) {
                let what = format!("{} -> {order:?}", known.stage.name());
                world.break_law("moves-are-legal", what);
            }
            note_move(world, order);
            known.stage = order.stage;
        }
    }
    if rows.orders().count() < watch.known.len() {
        judge_gone(world, watch, rows);
    }
}

/// Whether legal moves lead from one to the other: one transaction may have made several.
fn leads(from: Stage, to: Stage) -> bool {
    let mut next = MOVES.iter().filter(|(at, _)| *at == from);
    is_legal(from, to) || next.any(|(_, next)| leads(*next, to))
}

fn judge_birth(world: &World, watch: &mut OrderWatch, rows: &Rows, order: &Order) {
    world.trace.tell(format_args!(
        "order {} {} of user {}: {} {}",
        order.id,
        order.order_no,
        order.user_id,
        order.total,
        order.stage.name()
    ));
    match order.stage {
        Stage::Creating => {}
        Stage::Live(OrderStatus::Pending) if is_intended(rows, order) => note_move(world, order),
        Stage::Live(_) | Stage::Abandoned => {
            world.break_law("orders-are-born-creating-or-intended", format!("{order:?}"));
        }
    }
    let items = rows.items(order.id);
    let sum = items.iter().try_fold(Fen::ZERO, |sum, item| {
        sum.checked_add(item.price.checked_times(item.quantity)?)
    });
    if items.is_empty() || sum != Some(order.total) {
        world.break_law("total-is-items", format!("{order:?} {items:?}"));
    }
    if !watch.numbers.insert(order.order_no.clone()) {
        world.break_law("numbers-are-unique", order.order_no.to_string());
    }
    let twins = rows.orders().filter(|other| {
        other.user_id == order.user_id
            && order.request.is_some()
            && other.request.as_ref().map(|r| &r.key) == order.request.as_ref().map(|r| &r.key)
    });
    if order.request.is_some() && twins.count() > 1 {
        world.break_law("a-key-is-one-order", format!("{order:?}"));
    }
    let known = Known {
        stage: order.stage,
        total: order.total,
    };
    watch.known.insert(order.id, known);
}

/// Whether an order without a key was written under an intent that is its creator's and gave it its number.
fn is_intended(rows: &Rows, order: &Order) -> bool {
    let mut intents = rows.intents().filter(|intent| intent.covers(order.id));
    order.request.is_none()
        && intents.any(|intent| !intent.recovering && intent.number(order.id) == order.order_no)
}

fn judge_gone(world: &World, watch: &mut OrderWatch, rows: &Rows) {
    watch.known.retain(|id, known| {
        let is_there = rows.order(*id).is_some();
        if !is_there {
            world.count(Moment::CreationDropped);
            world.trace.tell(format_args!("order {id} is dropped"));
            if known.stage != Stage::Creating {
                let what = format!("order {id} was {}", known.stage.name());
                world.break_law("only-creations-vanish", what);
            }
        }
        is_there
    });
}

fn note_move(world: &World, order: &Order) {
    world.trace.tell(format_args!(
        "order {} is {} {:?}",
        order.id,
        order.stage.name(),
        order.cancelled
    ));
    let moment = match (order.stage, &order.cancelled) {
        (Stage::Creating, _) => return,
        (Stage::Abandoned, _) => Moment::CreationAbandoned,
        (Stage::Live(OrderStatus::Pending), _) => Moment::OrderCreated,
        (Stage::Live(OrderStatus::Paid), _) => Moment::OrderPaid,
        (Stage::Live(OrderStatus::Shipped), _) => Moment::OrderShipped,
        (Stage::Live(OrderStatus::Completed), _) => Moment::OrderCompleted,
        (Stage::Live(OrderStatus::Cancelled), Some(CancelCause::Expired)) => Moment::OrderExpired,
        (Stage::Live(OrderStatus::Cancelled), Some(CancelCause::WrongAmount)) => {
            Moment::WrongAmount
        }
        (Stage::Live(OrderStatus::Cancelled), Some(CancelCause::Refunded)) => {
            Moment::RefundCalledOff
        }
        (Stage::Live(OrderStatus::Cancelled), _) => Moment::OrderCancelled,
    };
    world.count(moment);
}

fn judge_history(world: &World, watch: &mut OrderWatch, rows: &Rows) {
    let history = rows.history();
    for row in history.get(watch.history_len..).unwrap_or_default() {
        if !is_legal(Stage::Live(row.from), Stage::Live(row.to)) {
            world.break_law("history-is-legal", format!("{row:?}"));
        }
    }
    watch.history_len = history.len();
}

/// The cursor only moves on, and never past what happened.
fn judge_cursor(world: &World, watch: &mut OrderWatch, rows: &Rows) {
    let events = world.stores.payment.inspect(|_, events| events.len());
    let there = u64::try_from(events).unwrap_or(u64::MAX);
    if rows.cursor() < watch.cursor || rows.cursor() > there {
        let what = format!(
            "{} after {}, of {there} events",
            rows.cursor(),
            watch.cursor
        );
        world.break_law("the-cursor-moves-on", what);
    }
    watch.cursor = rows.cursor();
}
