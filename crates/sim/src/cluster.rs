//! Processes: started, killed, stopped in good order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use order::clients::{CatalogGrpc, InventoryGrpc, PaymentGrpc};
use order::delay_queue::{DelayQueue, EmbeddedQueue};
use payment::domain::{Method, Timetable};
use payment::gateway::Gateways;
use platform::StartError;
use platform::clock::pause;
use platform::deadline::Deadline;
use platform::server::{RunningService, ServiceDeps};
use types::Locale;

use crate::gateway::BankLine;
use crate::net::Wire;
use crate::node::{Kind, Life, Node, Place, Running};
use crate::queue::SharedQueue;
use crate::stores::{CatalogDisk, Disk, InventoryDisk, OrderDisk, PaymentDisk};
use crate::tally::Moment;
use crate::world::{World, spawn};

/// How long whoever looks after processes waits before it starts one again.
const RESTART_MS: (u64, u64) = (100, 5_000);
/// How long a process may take to stop in good order before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(25);

/// Starts a process on every machine.
pub(crate) async fn start_all(world: &Arc<World>) {
    for node in &world.nodes {
        start(world, node.place).await;
    }
}

/// Starts a process on the machine at `place`, however often that takes.
pub(crate) async fn start(world: &Arc<World>, place: Place) {
    let Some(node) = world.node(place) else {
        return;
    };
    // One process a machine: whoever else wants it started waits for this one.
    while node.is_starting() && !node.is_up() {
        pause(Duration::from_millis(50)).await;
    }
    if node.is_up() {
        return;
    }
    let _starting = node.begin_start();
    loop {
        let life = Life::begin(place);
        let started = start_service(world, node, &life).await;
        match started {
            Ok(_) if life.is_over() => {}
            Ok(service) => {
                world.trace.tell(format_args!("{place} is up"));
                *node.running() = Some(Running {
                    transport: service.transport(),
                    life,
                    calls: Arc::new(AtomicUsize::new(0)),
                    service,
                });
                return;
            }
            Err(error) => {
                life.end();
                world
                    .trace
                    .tell(format_args!("{place} does not start: {error}"));
                pause(Duration::from_millis(500)).await;
            }
        }
    }
}

async fn start_service(
    world: &Arc<World>,
    node: &Node,
    life: &Life,
) -> Result<RunningService, StartError> {
    let deps = ServiceDeps {
        clock: node.clock.clone(),
        locale: Locale::default(),
        migrate: false,
    };
    let disk = Disk {
        world: Arc::clone(world),
        life: life.clone(),
    };
    match node.place {
        Place::Replica(Kind::Catalog, _) => {
            let parts = catalog::Parts {
                store: Arc::new(CatalogDisk(disk)),
                redis: None,
            };
            catalog::start_with(parts, deps).await
        }
        Place::Replica(Kind::Inventory, _) => {
            Ok(inventory::start_with_store(Arc::new(InventoryDisk(disk)), deps).await)
        }
        Place::Replica(Kind::Payment, _) => {
            let timetable = Timetable::new(world.plan.gateway_timeout);
            let store = Arc::new(PaymentDisk(disk));
            Ok(payment::start_with(store, gateways(world, life), timetable, deps).await)
        }
        Place::Replica(Kind::Order, _) | Place::People => {
            let wire = |to| Wire::of_process(world, life, to);
            let parts = order::Parts {
                store: Arc::new(OrderDisk(disk)),
                queue: delay_queue(world, life),
                catalog: Arc::new(CatalogGrpc::new(wire(Kind::Catalog))),
                inventory: Arc::new(InventoryGrpc::new(wire(Kind::Inventory))),
                payment: Arc::new(PaymentGrpc::new(wire(Kind::Payment))),
                timing: order::Timing::standard(world.plan.payment_timeout),
            };
            Ok(order::start_with(parts, deps).await)
        }
    }
}

fn gateways(world: &Arc<World>, life: &Life) -> Gateways {
    let line = Arc::new(BankLine {
        world: Arc::clone(world),
        life: life.clone(),
    });
    match Method::parse("mock") {
        Some(method) => Gateways::new().with(method, line),
        None => Gateways::new(),
    }
}

fn delay_queue(world: &Arc<World>, life: &Life) -> Arc<dyn DelayQueue> {
    if world.plan.queue.is_shared {
        Arc::new(SharedQueue {
            world: Arc::clone(world),
            life: life.clone(),
        })
    } else {
        Arc::new(EmbeddedQueue::new())
    }
}

/// Kills the process at `place`, at whatever await it stands; another is started after a while.
pub(crate) fn crash(world: &Arc<World>, place: Place) {
    let Some(node) = world.node(place) else {
        return;
    };
    let Some(running) = node.running().take() else {
        return;
    };
    running.life.end();
    world.count(Moment::Crash);
    world.trace.tell(format_args!("{place} crashes"));
    restart_later(world, place);
}

fn restart_later(world: &Arc<World>, place: Place) {
    let wait = world.chances.nemesis.millis(RESTART_MS.0, RESTART_MS.1);
    let world = Arc::clone(world);
    spawn(async move {
        pause(wait).await;
        start(&world, place).await;
    });
}

/// Stops the process at `place` as a signal would: no new calls, those that run end, then all else.
pub(crate) async fn stop(world: &Arc<World>, place: Place) {
    let Some(node) = world.node(place) else {
        return;
    };
    let Some(running) = node.running().take() else {
        return;
    };
    world.count(Moment::GracefulStop);
    world.trace.tell(format_args!("{place} stops"));
    let Running {
        life,
        calls,
        service,
        ..
    } = running;
    let limit = Deadline::after(STOP_LIMIT);
    let drain = Deadline::after(Duration::from_secs(10));
    while calls.load(Ordering::Relaxed) > 0 && !drain.has_passed() && !life.is_over() {
        pause(Duration::from_millis(50)).await;
    }
    let stopped = tokio::select! {
        biased;
        () = life.over() => false,
        stopped = limit.within(service.stop()) => stopped.is_ok(),
    };
    life.end();
    world.trace.tell(format_args!(
        "{place} {}",
        if stopped {
            "has stopped"
        } else {
            "did not stop and is killed"
        }
    ));
    restart_later(world, place);
}
