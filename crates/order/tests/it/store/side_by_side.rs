//! Proves that the SQL stores answer and keep exactly what the model does, whatever batches come.

use std::sync::Arc;

use anyhow::Context;
use order::domain::{AbandonedBy, IntentStep, LeaseStep, Op, Stage, TaskKind, TaskStep};
use order::store::{MemoryStore, OrderFilter, Store};
use platform::combiner::Batch;
use proptest::prelude::*;
use testkit::TestDatabase;
use types::{IdempotencyKey, OrderStatus, Page, PaymentStatus, Violations};

use super::build::*;
use crate::shop::{FindOrder, open_store};

/// Everything that a store shows of itself, as text.
pub(super) async fn picture(store: &dyn Store) -> anyhow::Result<String> {
    let mut picture = Vec::new();
    for user_id in [None, Some(user(1)), Some(user(2))] {
        for status in OrderStatus::ALL.map(Some).into_iter().chain([None]) {
            let filter = OrderFilter { user_id, status };
            for (number, size) in [(1, 100), (1, 2), (2, 2)] {
                let page = Page::read(number, size, &mut Violations::default());
                picture.push(format!(
                    "{filter:?}, page {number} of {size}: {:?}",
                    store.list_orders(filter, page).await?
                ));
            }
        }
    }
    for (user_id, key) in [(1, "k0"), (1, "k1"), (2, "k0"), (2, "k2"), (3, "k0")] {
        let key = IdempotencyKey::new(key).context("no key")?;
        let made = store.find_request(user(user_id), &key).await?;
        picture.push(format!("{user_id} {key}: {made:?}"));
    }
    for stage in Stage::ALL {
        let due = store.due_orders(stage, at(1_000_000), None, 1000).await?;
        for order in &due {
            picture.push(format!("{:?}", store.history(order.id).await?));
        }
        picture.push(format!("{stage:?}: {due:?}"));
        let after = due.first().copied();
        let next = store.due_orders(stage, at(1_500), after, 2).await?;
        picture.push(format!("{stage:?} after {after:?}: {next:?}"));
    }
    for id in 1..60 {
        picture.push(format!("{:?}", store.find_order(&order_no(id)).await?));
    }
    picture.push(format!(
        "due: {:?}",
        store.due_tasks(&TaskKind::ALL, at(1_000_000), 1000).await?
    ));
    picture.push(format!(
        "due first: {:?}",
        store.due_tasks(&TaskKind::ALL, at(5_003), 2).await?
    ));
    for limit in [1, 1000] {
        picture.push(format!("parked: {:?}", store.parked_tasks(limit).await?));
    }
    for until in [6_999, 20_000] {
        let due = store.due_intents(at(until), 50).await?;
        for intent in &due {
            picture.push(format!("{:?}", store.written_under(*intent).await?));
        }
        picture.push(format!("intents: {due:?}"));
    }
    picture.push(format!("cursor: {}", store.feed_cursor().await?));
    picture.push(format!("health: {:?}", store.health(at(950)).await?));
    Ok(picture.join("\n"))
}

/// An operation on the order that was made `back` orders ago; made concrete when its turn comes.
#[derive(Debug, Clone)]
enum Step {
    Insert {
        user: u64,
        key: Option<u8>,
        quantity: i32,
    },
    /// Under the intent that was opened last.
    InsertHeld {
        again: bool,
    },
    Intent {
        what: u8,
        now: i64,
    },
    Order {
        back: u64,
        what: u8,
        number: i64,
    },
    Follow {
        back: u64,
        ids: Vec<u64>,
        status: PaymentStatus,
    },
    Task {
        back: u64,
        kind: TaskKind,
        what: u8,
    },
    Lease {
        holder: u8,
        now: i64,
        free: bool,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let back = 0_u64..6;
    let kind = prop::sample::select(TaskKind::ALL.to_vec());
    let status = prop::sample::select(PaymentStatus::ALL.to_vec());
    prop_oneof![
        3 => (1_u64..3, prop::option::of(0_u8..3), 1_i32..3)
            .prop_map(|(user, key, quantity)| Step::Insert { user, key, quantity }),
        3 => any::<bool>().prop_map(|again| Step::InsertHeld { again }),
        2 => (0_u8..5, 6_000_i64..16_000).prop_map(|(what, now)| Step::Intent { what, now }),
        6 => (back.clone(), 0_u8..9, 0_i64..2_000)
            .prop_map(|(back, what, number)| Step::Order { back, what, number }),
        2 => (back.clone(), prop::collection::vec(1_u64..9, 0..3), status)
            .prop_map(|(back, ids, status)| Step::Follow { back, ids, status }),
        2 => (back, kind, 0_u8..5).prop_map(|(back, kind, what)| Step::Task { back, kind, what }),
        1 => (0_u8..3, 0_i64..30, any::<bool>())
            .prop_map(|(holder, now, free)| Step::Lease { holder, now, free }),
    ]
}

/// Makes steps concrete: every insert has an id never used before, or one that may be there.
#[derive(Default)]
struct Script {
    last_id: u64,
    last_held: u64,
    intent: u64,
    held_until: i64,
}

impl Script {
    fn op(&mut self, step: Step) -> Op {
        match step {
            Step::Insert {
                user,
                key,
                quantity,
            } => {
                self.last_id += 1;
                let request = key.map(|key| request(user, &format!("k{key}"), quantity));
                insert(self.last_id, user, request)
            }
            Step::InsertHeld { again } if again && self.last_held > 0 => {
                insert_held_again(self.last_held, self.intent.max(1))
            }
            Step::InsertHeld { .. } => {
                self.last_id += 1;
                self.last_held = self.last_id;
                insert_held(self.last_id, self.intent.max(1))
            }
            Step::Intent { what: 0..=2, .. } => {
                self.last_id = self.last_id.max(self.intent);
                self.intent = self.last_id + 1;
                open_intent(self.intent, self.intent + 3)
            }
            Step::Intent { what: 3, now } => take_over(self.intent.max(1), now),
            Step::Intent { .. } => move_intent(self.intent.max(1), IntentStep::Close),
            Step::Order { back, what, number } => {
                let id = self.made(back);
                match what {
                    0 | 1 => confirm(id, number),
                    2 => drop_order(id),
                    3 if number % 4 == 0 => abandon(id, AbandonedBy::Creator, number * 10),
                    3 => abandon(id, AbandonedBy::Recovery, number * 10),
                    4 => cancel(id),
                    5 => expire(id, number),
                    6 => ship(id),
                    7 => complete(id),
                    _ => pay(id, TOTAL + number % 2),
                }
            }
            Step::Follow {
                back,
                mut ids,
                status,
            } => {
                ids.sort_unstable();
                ids.dedup();
                let id = self.made(back);
                follow(
                    ids.into_iter()
                        .map(|event_id| event(event_id, id, status))
                        .collect(),
                )
            }
            Step::Task { back, kind, what } => task(self.made(back), kind, self.task_step(what)),
            Step::Lease { holder, now, free } => {
                let take = LeaseStep::Take {
                    at: at(now),
                    until: at(now + 10),
                };
                lease(
                    &format!("h{holder}"),
                    if free { LeaseStep::Free } else { take },
                )
            }
        }
    }

    fn made(&self, back: u64) -> u64 {
        self.last_id.saturating_sub(back).max(1)
    }

    /// Every task is born due at 5,002, 5,003, 5,005 or 5,007: now and then a step meets one.
    fn task_step(&mut self, what: u8) -> TaskStep {
        let seen = if self.held_until == 0 {
            5_002
        } else {
            self.held_until
        };
        match what {
            0 => {
                self.held_until = seen + 1_000;
                TaskStep::Claim {
                    seen_due_at: at(seen),
                    until: at(self.held_until),
                }
            }
            1 => fail(seen, seen, false),
            2 => fail(seen, seen, true),
            3 => TaskStep::Resume { at: at(seen) },
            _ => TaskStep::Done,
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_batches_come_out_the_same_on_memory_and_sqlite(
        batches in prop::collection::vec(prop::collection::vec(any_step(), 1..10), 1..8),
    ) {
        runtime().block_on(async {
            run_side_by_side(&[TestDatabase::sqlite()?], batches).await
        }).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn random_batches_come_out_the_same_on_memory_sqlite_and_mysql(
        batches in prop::collection::vec(prop::collection::vec(any_step(), 1..10), 1..8),
    ) {
        runtime().block_on(async {
            match TestDatabase::mysql().await? {
                Some(mysql) => run_side_by_side(&[TestDatabase::sqlite()?, mysql], batches).await,
                None => Ok(()),
            }
        }).unwrap();
    }
}

async fn run_side_by_side(homes: &[TestDatabase], batches: Vec<Vec<Step>>) -> anyhow::Result<()> {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut others = Vec::new();
    for home in homes {
        others.push(open_store(home).await?);
    }
    let mut script = Script::default();
    for steps in batches {
        let ops: Vec<_> = steps.into_iter().map(|step| script.op(step)).collect();
        let batch = Batch::from(ops);
        let expected = memory.apply(batch.clone()).await?;
        let (seen, ids) = (picture(&*memory).await?, memory.reserve_ids(5).await?);
        for sql in &others {
            assert_eq!(sql.apply(batch.clone()).await?, expected, "{batch:?}");
            assert_eq!(picture(&**sql).await?, seen, "{batch:?}");
            assert_eq!(sql.reserve_ids(5).await?, ids);
        }
    }
    for sql in others {
        sql.close().await;
    }
    Ok(())
}
