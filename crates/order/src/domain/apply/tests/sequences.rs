//! Proves, for random sequences, that none leaves the state machine, doubles a task or pays an order with money
//! that goes back, and that a repeat changes nothing; and that of payment and cancellation exactly one wins.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// An operation on one of three orders; events are numbered from the last that was applied.
fn any_op() -> impl Strategy<Value = Op> {
    let id = 1_u64..4;
    prop_oneof![
        3 => id.clone().prop_map(|id| new_order(id, None)),
        3 => id.clone().prop_map(confirm),
        1 => id.clone().prop_map(|id| Op::Drop { id: order(id) }),
        1 => (id.clone(), 0_i64..20_000).prop_map(|(id, now)| abandon(id, AbandonedBy::Recovery, now)),
        1 => id.clone().prop_map(|id| abandon(id, AbandonedBy::Creator, 1)),
        1 => id.clone().prop_map(cancel),
        1 => (id.clone(), 0_i64..2_000).prop_map(|(id, now)| expire(id, now)),
        1 => id.clone().prop_map(ship),
        1 => id.clone().prop_map(complete),
        3 => (id.clone(), TOTAL..TOTAL + 2).prop_map(|(id, fen)| pay(id, fen)),
        3 => (
            id,
            TOTAL..TOTAL + 2,
            0_u64..3,
            prop::sample::select(PaymentStatus::ALL.to_vec())
        )
            .prop_map(|(id, fen, event_id, status)| follow(vec![event(event_id, id, fen, status)])),
    ]
}

/// The event comes again, is the next, or leaves a gap.
fn numbered(mut op: Op, cursor: u64) -> Op {
    if let Op::Follow { events, .. } = &mut op {
        for event in events {
            event.event_id += cursor;
        }
    }
    op
}

/// What a sequence of operations may never do, checked after each of them.
#[derive(Default)]
struct Ledger {
    recorded: BTreeMap<TaskKey, u32>,
}

impl Ledger {
    fn check(&mut self, before: &BTreeMap<OrderId, Stage>, rows: &Rows, outcome: &Outcome) {
        let tasks = match outcome {
            Outcome::Move(Some(moved)) => moved.tasks.as_slice(),
            Outcome::Follow(Followed::Applied { tasks, .. }) => tasks,
            _ => &[],
        };
        for task in tasks {
            *self.recorded.entry(task.key).or_default() += 1;
        }
        for order in rows.orders() {
            if let Some(from) = before.get(&order.id) {
                let stays = *from == order.stage;
                assert!(
                    stays || is_legal(*from, order.stage),
                    "{from:?} -> {:?}",
                    order.stage
                );
            }
            let recorded = |kind| {
                self.recorded
                    .get(&TaskKey {
                        order_id: order.id,
                        kind,
                    })
                    .copied()
            };
            let gone = matches!(
                order.stage,
                Stage::Abandoned | Stage::Live(OrderStatus::Cancelled)
            );
            let left = matches!(
                order.stage,
                Stage::Live(OrderStatus::Shipped | OrderStatus::Completed)
            );
            assert_eq!(recorded(TaskKind::Release), gone.then_some(1), "{order:?}");
            assert_eq!(recorded(TaskKind::Commit), left.then_some(1), "{order:?}");
            assert!(recorded(TaskKind::Refund).unwrap_or(0) <= 1, "{order:?}");
            if recorded(TaskKind::Refund).is_some() {
                assert!(!is_paid(order.stage), "{order:?}");
            }
            if order.refunded {
                assert!(order.payment.is_some(), "{order:?}");
            }
        }
    }
}

fn is_paid(stage: Stage) -> bool {
    use OrderStatus::{Completed, Paid, Shipped};
    matches!(stage, Stage::Live(Paid | Shipped | Completed))
}

fn stages(rows: &Rows) -> BTreeMap<OrderId, Stage> {
    rows.orders().map(|order| (order.id, order.stage)).collect()
}

fn picture(rows: &Rows) -> String {
    let orders: Vec<_> = rows.orders().collect();
    let tasks: Vec<_> = rows.tasks().collect();
    format!(
        "{orders:?} {tasks:?} {:?} {}",
        rows.history(),
        rows.cursor()
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_sequence_breaks_the_machine_or_doubles_a_task_and_a_repeat_changes_nothing(
        ops in prop::collection::vec(any_op(), 1..60),
    ) {
        let mut rows = Rows::default();
        let mut ledger = Ledger::default();
        for op in ops {
            let op = numbered(op, rows.cursor());
            let before = stages(&rows);
            let outcome = rows.apply(&op);
            ledger.check(&before, &rows, &outcome);
            let once = picture(&rows);
            rows.apply(&op);
            prop_assert_eq!(picture(&rows), once, "a repeat changes nothing: {:?}", op);
        }
    }

    #[test]
    fn of_pay_and_cancel_exactly_one_wins_and_the_loser_gives_way(
        mut ops in Just(vec![pay(1, TOTAL), cancel(1), expire(1, 5_000)]).prop_shuffle(),
    ) {
        let mut rows = rows_at(Stage::Live(OrderStatus::Pending));
        ops.push(follow(vec![event(1, 1, TOTAL, PaymentStatus::Paid)]));
        let tasks: Vec<_> = ops.iter().flat_map(|op| match rows.apply(op) {
            Outcome::Move(Some(moved)) => kinds(&moved),
            _ => Vec::new(),
        }).collect();
        // In any order one of the cancels takes effect: the order ends, stock and money are given back, once.
        let count = |kind| tasks.iter().filter(|task| **task == kind).count();
        prop_assert_eq!(rows.order(order(1)).unwrap().stage, Stage::Live(OrderStatus::Cancelled));
        prop_assert_eq!((count(TaskKind::Release), count(TaskKind::Refund)), (1, 1));
        prop_assert!(rows.order(order(1)).unwrap().refund_no().is_some());
    }
}
