//! Proves that a creation ends as an order that holds its stock, or as nothing that holds nothing:
//! every step repeated, refused, unknown with its effect done and not done, its database failing,
//! its creator dying, its caller leaving.

mod database;
mod held;
mod recovery;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use api::order::v1::{CreateOrderResponse, ListOrdersRequest};
use order::domain::{AbandonedBy, Birth, NewOrder, Op, RequestKey, Stage, Stamp};
use platform::clock::Clock;
use platform::combiner::Batch;
use testkit::eventually;
use tonic::{Code, Status};
use types::{Fen, IdempotencyKey, OrderId, OrderNo, UserId, Violations};

use crate::fakes::{Act, Fault, FlakyStore};
use crate::shop::{Shop, World, create_request, ran_late, tells_to_retry, within};

/// Past the creator's lease.
const LEASE: Duration = Duration::from_secs(11);

/// Nothing is held, by no row; whatever still arrives finds a fence.
async fn assert_clean_slate(world: &World) {
    world.settle().await;
    world.clock.advance(LEASE);
    eventually("nothing is being created", async || {
        (world.hidden(Stage::Creating).await == 0).then_some(())
    })
    .await;
    no_intent_is_left(world).await;
    world.settle().await;
    for code in world.inventory.deliver_delayed() {
        assert_eq!(code, 40904, "a late deduction meets the fence");
    }
    assert_eq!(world.inventory.held_in_all(), 0);
    assert_eq!(
        (world.inventory.free(1), world.inventory.free(2)),
        (100, 100)
    );
}

async fn no_intent_is_left(world: &World) {
    eventually("no intent is left", async || {
        let all = world.store.due_intents(world.end_of_time(), 9);
        all.await.unwrap().is_empty().then_some(())
    })
    .await;
}

/// The order is there and holds exactly its items.
async fn assert_whole(shop: &Shop, created: &CreateOrderResponse) {
    assert_eq!(created.code, 0, "{}", created.message);
    assert_eq!(shop.status(&created.order_no).await, 1);
    assert_eq!(shop.world.inventory.held(&created.order_no), 3);
    assert_eq!(shop.world.inventory.held_in_all(), 3);
    assert_eq!(
        shop.world
            .inventory
            .deliver_delayed()
            .iter()
            .filter(|code| **code != 0)
            .count(),
        0
    );
    assert_eq!(
        shop.world.inventory.held_in_all(),
        3,
        "a late twin takes nothing"
    );
}

/// Creates an order under `key` while the store fails at the operations that `picks` picks.
async fn create_on_flaky_store(
    key: &str,
    picks: fn(&Op) -> bool,
    faults: &[Fault],
    deduct: Act,
) -> anyhow::Result<(Shop, Result<CreateOrderResponse, Status>)> {
    let mut world = World::new().await?;
    world.timing.creation_lease = Duration::from_secs(2);
    let flaky = Arc::new(FlakyStore::over(Arc::clone(&world.store)));
    for fault in faults {
        flaky.next(picks, *fault);
    }
    world.replica_store = Some(flaky.clone());
    world.inventory.deducts.always(deduct);
    let shop = world.open().await?;
    let answer = shop.create(&[(1, 2), (2, 1)], key).await;
    assert!(flaky.is_spent(), "every fault was met");
    shop.world.inventory.deducts.always(Act::Serve);
    Ok((shop, answer))
}

/// A creation that some replica wrote down and did not finish.
async fn leave_unfinished(world: &World, key: Option<&str>) -> (OrderId, OrderNo) {
    let basket =
        order::domain::Basket::read([(1, 2), (2, 1)].into_iter(), &mut Violations::default())
            .unwrap();
    let user_id = UserId::new(1).unwrap();
    let serial = world.store.reserve_ids(1).await.unwrap().start;
    let (id, at) = (OrderId::new(serial).unwrap(), world.clock.now());
    let order_no = OrderNo::generate(at, serial);
    let request = key.map(|key| RequestKey {
        key: IdempotencyKey::new(key).unwrap(),
        fingerprint: basket.fingerprint(user_id),
    });
    let new = NewOrder {
        id,
        order_no: order_no.clone(),
        user_id,
        total: Fen::stored(25_700),
        items: Arc::new([]),
        request,
        at,
        birth: Birth::Creating {
            lease_until: at.plus(world.timing.creation_lease),
        },
        may_be_there: false,
    };
    world
        .store
        .apply(Batch::from(vec![Op::Insert(Box::new(new))]))
        .await
        .unwrap();
    (id, order_no)
}

async fn confirm(world: &World, id: OrderId) {
    let at = world.clock.now();
    let confirm = Op::Confirm {
        id,
        at,
        expire_at: at.plus(world.timing.payment_timeout),
    };
    world.store.apply(Batch::from(vec![confirm])).await.unwrap();
}

async fn leave_unfinished_long_ago(world: &World) -> (OrderId, OrderNo) {
    let now = world.clock.now();
    world.clock.set(now.minus(LEASE));
    let left = leave_unfinished(world, None).await;
    world.clock.set(now);
    left
}
