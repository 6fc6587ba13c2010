//! The store suite: what any store must do.

mod intents;
mod orders;
mod workers;

use std::sync::Arc;

use futures::future::join_all;
use order::domain::{
    AbandonedBy, CancelCause, Followed, Inserted, LeaseStep, Moved, Op, Outcome, Stage, TaskKind,
    TaskStep, Verdict,
};
use order::store::{DueOrder, Health, OrderFilter, Store};
use platform::combiner::Batch;
use testkit::TestDatabase;
use types::{IdempotencyKey, OrderNo, OrderStatus, Page, PaymentStatus, Violations};

use super::build::*;
use super::side_by_side;
use crate::shop::FindOrder;

pub(super) use intents::*;
pub(super) use orders::*;
pub(super) use workers::*;

type Checked = anyhow::Result<()>;

pub(super) async fn apply(store: &dyn Store, ops: Vec<Op>) -> anyhow::Result<Vec<Outcome>> {
    Ok(store.apply(Batch::from(ops)).await?)
}

fn moved(outcome: &Outcome) -> &Moved {
    match outcome {
        Outcome::Move(Some(moved)) => moved,
        other => panic!("not moved: {other:?}"),
    }
}

fn page(number: i32, size: i32) -> Page {
    Page::read(number, size, &mut Violations::default())
}

/// Orders at every stage, with their tasks; answers what the store looks like then.
pub(super) async fn fill(store: &dyn Store) -> anyhow::Result<String> {
    store.reserve_ids(7).await?;
    let inserts = (1..=7).map(|id| {
        insert(
            id,
            id % 2 + 1,
            Some(request(id % 2 + 1, &format!("k{id}"), 1)),
        )
    });
    apply(store, inserts.collect()).await?;
    let confirms = (2..=6).map(|id| confirm(id, 900));
    apply(store, confirms.collect()).await?;
    apply(
        store,
        vec![cancel(3), pay(4, TOTAL), pay(5, TOTAL), pay(6, TOTAL)],
    )
    .await?;
    apply(
        store,
        vec![ship(5), ship(6), abandon(7, AbandonedBy::Creator, 8)],
    )
    .await?;
    apply(
        store,
        vec![
            complete(6),
            follow(vec![event(1, 4, PaymentStatus::Refunded)]),
        ],
    )
    .await?;
    apply(
        store,
        vec![task(3, TaskKind::Release, fail(5_002, 9_000, true))],
    )
    .await?;
    side_by_side::picture(store).await
}
