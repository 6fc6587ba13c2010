//! One seed, from an empty world to one at rest.

use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::{Arc, Once};
use std::time::Duration;

use platform::clock::pause;
use platform::deadline::Deadline;
use platform::random;

use crate::cluster;
use crate::laws;
use crate::nemesis;
use crate::people::{self, Desk};
use crate::tally::Tally;
use crate::world::{Violation, World};

/// A seed that lasts longer, in simulated time, hangs.
const LIMIT: Duration = Duration::from_hours(1);
/// How long the world may take to come to rest, beside the longest wait of an order and the clocks.
const REST_LIMIT: Duration = Duration::from_mins(2);

/// What came of a seed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Names the run: equal hashes, equal runs.
    pub hash: u64,
    /// How many events the run had.
    pub events: u64,
    /// How much time went by in the world.
    pub simulated: Duration,
    /// What happened how often.
    pub tally: Tally,
    /// The laws that were broken; none where all is well.
    pub violations: Vec<Violation>,
}

thread_local! {
    static SIMULATING: Cell<bool> = const { Cell::new(false) };
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Runs the world of `seed`; `told`: whether to print its story.
///
/// # Errors
/// No runtime can be had from the system.
pub fn run_seed(seed: u64, told: bool) -> std::io::Result<Outcome> {
    catch_panics();
    random::seed_thread(Some(seed));
    SIMULATING.set(true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let outcome = runtime.map(|runtime| {
        let outcome = runtime.block_on(run(seed, told));
        drop(runtime);
        outcome
    });
    SIMULATING.set(false);
    random::seed_thread(None);
    PANICS.take();
    outcome
}

/// Has a panic of a simulated process count as a broken law rather than be printed.
fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if SIMULATING.get() {
                PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
            } else {
                usual(info);
            }
        }));
    });
}

async fn run(seed: u64, told: bool) -> Outcome {
    let world = World::new(seed, told);
    world
        .trace
        .tell(format_args!("seed {seed}: {:?}", world.plan));
    if Deadline::after(LIMIT).within(live(&world)).await.is_err() {
        world.break_law("every-seed-ends", format!("not within {LIMIT:?}"));
    }
    for panic in PANICS.take() {
        world.break_law("nothing-panics", panic);
    }
    Outcome {
        seed,
        hash: world.trace.hash(),
        events: world.trace.events(),
        simulated: Duration::from_millis(world.trace.now_ms()),
        tally: world.counter.tally(),
        violations: world.violations(),
    }
}

async fn live(world: &Arc<World>) {
    let desk = Desk::new(world);
    cluster::start_all(world).await;
    people::open_shop(&desk).await;
    break_things(world).await;
    if !world.is_sound() {
        return;
    }
    // By then what was lost on the way was given up and asked for again, and what clocks that went
    // ahead had reserved for themselves has run out.
    let skew = Duration::from_millis(world.plan.nemesis.skew_ms_max);
    pause(Duration::from_secs(10) + skew * 2).await;
    people::settle_direct_holds(&desk).await;
    people::check_health(&desk).await;
    come_to_rest(world).await;
    if world.is_sound() {
        laws::judge(world);
    }
}

/// People shop while things break; then nothing breaks, and they come home.
async fn break_things(world: &Arc<World>) {
    world.set_faulty(true);
    nemesis::start(world);
    let errands = people::start(world);
    let chaos = Deadline::after(world.plan.chaos);
    while !chaos.has_passed() && is_going_well(world) {
        let all_home = errands.iter().all(tokio::task::JoinHandle::is_finished);
        if all_home {
            break;
        }
        pause(Duration::from_millis(500)).await;
    }
    nemesis::mend(world).await;
    for errand in errands {
        while !errand.is_finished() && is_going_well(world) {
            pause(Duration::from_millis(500)).await;
        }
    }
}

fn is_going_well(world: &World) -> bool {
    if world.trace.runs_in_circles() {
        world.break_law("every-seed-ends", "it runs in circles");
    }
    world.is_sound()
}

/// Waits until nothing is left to do.
async fn come_to_rest(world: &Arc<World>) {
    let skew = Duration::from_millis(world.plan.nemesis.skew_ms_max.saturating_mul(2));
    let limit = Deadline::after(REST_LIMIT + world.plan.payment_timeout + skew);
    while is_going_well(world) {
        let Some(why) = laws::unrest(world) else {
            world.trace.tell(format_args!("the world is at rest"));
            return;
        };
        if limit.has_passed() {
            world.break_law("everything-comes-to-rest", why);
            return;
        }
        pause(Duration::from_millis(500)).await;
    }
}
