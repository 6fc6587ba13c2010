//! Proves that what a transition asks of another service is done: at least once, counted once,
//! whatever fails on the way; and that what cannot be done is parked and delays nobody. (How it is
//! woken: `audit.rs`.)

use std::time::Duration;

use futures::future::join_all;
use order::domain::{CancelCause, Op, REFUSALS_MAX, Stamp, TaskKind};
use platform::clock::Clock;
use platform::combiner::Batch;
use testkit::eventually;

use crate::fakes::{Act, FakeInventory, FakePayment, Script};
use crate::shop::{Shop, World, id_of};

/// How one try of a task can go wrong.
const TROUBLES: [&[Act]; 6] = [
    &[Act::LoseRequest],
    &[Act::LoseReply],
    &[Act::ReplyLate],
    &[Act::Refuse(40901)],
    &[Act::Reject, Act::LoseReply],
    &[
        Act::LoseReply,
        Act::LoseRequest,
        Act::Refuse(40901),
        Act::LoseReply,
    ],
];

async fn in_trouble(
    pick: impl Fn(&World) -> &Script,
    act: impl AsyncFn(&Shop, &str),
    done: impl Fn(&FakeInventory, &FakePayment, &str) -> bool,
) -> anyhow::Result<()> {
    for trouble in TROUBLES {
        let shop = Shop::new().await?;
        let created = shop.create_paid().await;
        pick(&shop.world).next(trouble.iter().copied());
        act(&shop, &created.order_no).await;
        shop.world.settle().await;
        let (inventory, payment) = (&shop.world.inventory, &shop.world.payment);
        assert!(done(inventory, payment, &created.order_no), "{trouble:?}");
        assert_eq!(pick(&shop.world).calls(), trouble.len() + 1, "{trouble:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_commit_is_tried_until_it_is_done() -> anyhow::Result<()> {
    let ship = async |shop: &Shop, no: &str| {
        assert_eq!(
            shop.ship(no).await.unwrap().code,
            0,
            "recorded, so it will be done"
        );
    };
    let done = |inventory: &FakeInventory, _: &FakePayment, no: &str| inventory.is_committed(no);
    in_trouble(|world| &world.inventory.commits, ship, done).await
}

#[tokio::test]
async fn a_release_is_tried_until_it_is_done() -> anyhow::Result<()> {
    let cancel = async |shop: &Shop, no: &str| {
        assert_eq!(
            shop.cancel(no).await.unwrap().code,
            0,
            "recorded, so it will be done"
        );
    };
    let done = |inventory: &FakeInventory, _: &FakePayment, no: &str| {
        inventory.is_fenced(no) && inventory.free(1) == 100
    };
    in_trouble(|world| &world.inventory.releases, cancel, done).await
}

#[tokio::test]
async fn a_refund_is_tried_until_it_is_done() -> anyhow::Result<()> {
    let cancel = async |shop: &Shop, no: &str| {
        let cancelled = shop.cancel(no).await.unwrap();
        assert_eq!(cancelled.code, 0);
        assert!(
            !cancelled.refund_no.is_empty(),
            "its number is known before it is done"
        );
    };
    let done = |_: &FakeInventory, payment: &FakePayment, _: &str| payment.status(1) == 3;
    in_trouble(|world| &world.payment.refunds, cancel, done).await
}

#[tokio::test]
async fn a_task_whose_writer_died_is_done_by_whoever_finds_it() -> anyhow::Result<()> {
    let world = World::new().await?;
    let shop = world.open().await?;
    let created = shop.create_one().await;
    let at = world.clock.now();
    let stamp = Stamp {
        at,
        tasks_due_at: at.plus(world.timing.task_lease),
    };
    let why = CancelCause::Asked(String::new());
    let cancel = Op::Cancel {
        id: id_of(&created),
        why,
        stamp,
    };
    world.store.apply(Batch::from(vec![cancel])).await?;
    assert_eq!(world.inventory.releases.calls(), 0, "it may still be at it");
    world.clock.advance(world.timing.task_lease);
    eventually("the stock is back", async || {
        (world.inventory.free(1) == 100).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn what_failed_is_not_tried_again_at_once() -> anyhow::Result<()> {
    for trouble in [Act::LoseRequest, Act::Refuse(40901)] {
        let shop = Shop::new().await?;
        let created = shop.create_one().await;
        shop.world.inventory.releases.always(trouble);
        shop.cancel(&created.order_no).await?;
        let far = shop.world.clock.now().plus(Duration::from_hours(1));
        let mut waits = Vec::new();
        for attempts in 1..=3 {
            let failed = eventually("a try failed", async || {
                let tasks = shop
                    .world
                    .store
                    .due_tasks(&TaskKind::ALL, far, 10)
                    .await
                    .unwrap();
                tasks.into_iter().find(|task| task.attempts == attempts)
            })
            .await;
            waits.push(failed.due_at.since(shop.world.clock.now()));
            shop.world.clock.set(failed.due_at);
        }
        for (wait, least_ms) in waits.iter().zip([100, 200, 400]) {
            assert!(
                *wait >= Duration::from_millis(least_ms),
                "{trouble:?}: {waits:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_refused_again_and_again_is_parked_and_delays_nobody() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let poisoned = shop.create_paid().await;
    shop.world.payment.refunds.always(Act::Refuse(1));
    shop.cancel(&poisoned.order_no).await?;
    let parked = eventually("the refund is parked", async || {
        shop.world.clock.advance(Duration::from_secs(1));
        shop.world.store.parked_tasks(10).await.unwrap().pop()
    })
    .await;
    assert_eq!(parked.key.kind, TaskKind::Refund);
    assert_eq!(
        (parked.refusals, parked.attempts),
        (REFUSALS_MAX, REFUSALS_MAX)
    );
    assert_eq!(parked.last_error.as_deref(), Some("1 no"));
    let calls = shop.world.payment.refunds.calls();

    // Everybody else's tasks go on; this one waits for a person.
    shop.world.clock.advance(Duration::from_hours(1));
    let other = shop.create_one().await;
    shop.cancel(&other.order_no).await?;
    assert_eq!(shop.world.inventory.held_in_all(), 0);
    assert_eq!(shop.world.payment.refunds.calls(), calls);
    Ok(())
}

#[tokio::test]
async fn an_inventory_that_hangs_holds_up_no_refund() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.inventory.restock(1, 1_000);
    let paid = shop.create_paid().await;
    let unpaid = join_all((0..200).map(|_| shop.create(&[(1, 1)], ""))).await;
    shop.world.inventory.releases.always(Act::Hang);
    let unpaid: Vec<_> = unpaid.into_iter().collect::<Result<_, _>>()?;
    // A cancellation is answered when its tasks had their first try.
    let storm = join_all(unpaid.iter().map(|created| shop.cancel(&created.order_no)));
    let in_the_midst_of_it = async {
        eventually("all releases are to be done", async || {
            (shop.world.tasks_left().await == unpaid.len()).then_some(())
        })
        .await;
        let refunded = eventually("the money is back", async || {
            let refunded = shop.world.payment.status(paid.order_id) == 3;
            refunded.then(|| shop.world.inventory.releases.calls())
        });
        tokio::join!(shop.cancel(&paid.order_no), refunded)
    };
    let (_, (cancelled, releases)) = tokio::join!(storm, in_the_midst_of_it);
    assert_eq!(cancelled?.code, 0);
    // 64 releases run at once, for 3 s each: behind all of them the refund would have come after 192.
    assert!(releases < 192, "{releases}");
    shop.world.inventory.releases.always(Act::Serve);
    Ok(())
}

#[tokio::test]
async fn what_is_unknown_is_never_parked() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let created = shop.create_one().await;
    shop.world.inventory.releases.always(Act::LoseRequest);
    shop.cancel(&created.order_no).await?;
    let far = shop.world.clock.now().plus(Duration::from_hours(1));
    let mut written = 0;
    while shop.world.inventory.releases.calls() <= 20 {
        // Only when a try is written down: a clock that runs on takes the task from whoever is at it.
        written = eventually("it was tried once more", async || {
            let tasks = shop
                .world
                .store
                .due_tasks(&TaskKind::ALL, far, 1)
                .await
                .ok()?;
            let attempts = tasks.first()?.attempts;
            (attempts > written).then_some(attempts)
        })
        .await;
        shop.world.clock.advance(Duration::from_secs(30));
    }
    assert!(shop.world.store.parked_tasks(10).await?.is_empty());
    shop.world.inventory.releases.always(Act::Serve);
    shop.world.settle().await;
    assert_eq!(shop.world.inventory.free(1), 100);
    Ok(())
}
