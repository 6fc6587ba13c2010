//! Whoever breaks things: one task a kind of fault, each with its own mean wait.

use std::sync::Arc;
use std::time::Duration;

use platform::clock::pause;

use crate::cluster;
use crate::node::{Kind, Place};
use crate::queue;
use crate::tally::Moment;
use crate::world::{World, lock, spawn};

/// Starts to break things, until [`World::set_faulty`] says stop.
pub(crate) fn start(world: &Arc<World>) {
    let plan = &world.plan;
    repeat(world, plan.nemesis.crash_every, |world| async move {
        if let Some(place) = any_replica(&world) {
            cluster::crash(&world, place);
        }
    });
    repeat(world, plan.nemesis.stop_every, |world| async move {
        if let Some(place) = any_replica(&world) {
            cluster::stop(&world, place).await;
        }
    });
    repeat(world, plan.nemesis.power_cut_every, |world| async move {
        cut_power(&world);
    });
    repeat(world, plan.nemesis.partition_every, |world| async move {
        partition(&world);
    });
    repeat(world, plan.nemesis.outage_every, |world| async move {
        outage(&world);
    });
    repeat(world, plan.nemesis.clock_every, |world| async move {
        step_clock(&world);
    });
    let flushes = plan.queue.flush_every.filter(|_| plan.queue.is_shared);
    repeat(world, flushes, |world| async move { queue::flush(&world) });
}

/// Does `fault` again and again, about `every` so often, while things break.
fn repeat<F>(
    world: &Arc<World>,
    every: Option<Duration>,
    fault: impl Fn(Arc<World>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send,
{
    let Some(every) = every else { return };
    let world = Arc::clone(world);
    let mean = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
    spawn(async move {
        loop {
            pause(world.chances.nemesis.millis(0, mean.saturating_mul(2))).await;
            if !world.is_faulty() {
                return;
            }
            fault(Arc::clone(&world)).await;
        }
    });
}

fn any_replica(world: &World) -> Option<Place> {
    let places: Vec<_> = world.nodes.iter().map(|node| node.place).collect();
    world.chances.nemesis.pick(&places).copied()
}

fn cut_power(world: &Arc<World>) {
    world.count(Moment::PowerCut);
    world.trace.tell(format_args!("power cut"));
    for node in &world.nodes {
        cluster::crash(world, node.place);
    }
}

/// Cuts some machines off from the others, or one way between two; heals after a while.
fn partition(world: &Arc<World>) {
    let chance = &world.chances.nemesis;
    let mut places: Vec<_> = world.nodes.iter().map(|node| node.place).collect();
    places.push(Place::People);
    let mut ways = Vec::new();
    if chance.happens(400) {
        world.count(Moment::OneWayPartition);
        if let (Some(from), Some(to)) = (chance.pick(&places), chance.pick(&places)) {
            ways.push((*from, *to));
        }
    } else {
        world.count(Moment::Partition);
        let share = chance.between(100, 500);
        let (here, there): (Vec<Place>, Vec<Place>) =
            places.iter().partition(|_| chance.happens(share));
        for a in &here {
            for b in &there {
                ways.push((*a, *b));
                ways.push((*b, *a));
            }
        }
    }
    let wait = chance.millis(200, 12_000);
    world.trace.tell(format_args!(
        "partition of {} ways for {wait:?}: {ways:?}",
        ways.len()
    ));
    lock(&world.blocked).extend(&ways);
    let world = Arc::clone(world);
    spawn(async move {
        pause(wait).await;
        let mut blocked = lock(&world.blocked);
        for way in &ways {
            blocked.remove(way);
        }
    });
}

/// Takes a database away for a while.
fn outage(world: &Arc<World>) {
    let chance = &world.chances.nemesis;
    let Some(kind) = chance.pick(&Kind::ALL).copied() else {
        return;
    };
    let wait = chance.millis(200, 8_000);
    world.count(Moment::DiskOutage);
    world.trace.tell(format_args!(
        "{}'s database is away for {wait:?}",
        kind.name()
    ));
    lock(&world.outages).insert(kind);
    let world = Arc::clone(world);
    spawn(async move {
        pause(wait).await;
        lock(&world.outages).remove(&kind);
    });
}

fn step_clock(world: &Arc<World>) {
    let Some(place) = any_replica(world) else {
        return;
    };
    let Some(node) = world.node(place) else {
        return;
    };
    let most = world.plan.nemesis.skew_ms_max.max(50);
    let drawn = world.chances.nemesis.below(most.saturating_mul(2));
    let skew = i64::try_from(drawn)
        .unwrap_or(0)
        .saturating_sub(i64::try_from(most).unwrap_or(0));
    world.count(Moment::ClockStep);
    world
        .trace
        .tell(format_args!("{place}'s clock is set {skew} ms off"));
    node.clock.set_skew(skew);
}

/// Mends everything: from here on nothing breaks.
pub(crate) async fn mend(world: &Arc<World>) {
    world.set_faulty(false);
    lock(&world.blocked).clear();
    lock(&world.outages).clear();
    for node in &world.nodes {
        node.clock.mend();
    }
    world.trace.tell(format_args!("nothing breaks any more"));
    for node in &world.nodes {
        cluster::start(world, node.place).await;
    }
}
