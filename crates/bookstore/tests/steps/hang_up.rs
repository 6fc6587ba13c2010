//! Callers that leave: every call that changes something is dropped after its first poll, its
//! second, and so on, after every millisecond of its way, and given every deadline from a
//! nanosecond on. What was begun is finished or called off, and a repeat hears how it ended.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::shop::{HangUp, Shop};
use crate::step::{Method, Step};
use crate::stories::{STORIES, Story};
use crate::table::{Undisturbed, finish};

/// What every step takes on the way there and on the way back, so that there is a moment to leave
/// at between any two.
const LATENCY: Duration = Duration::from_millis(1);
/// No call has more awaits, or takes more milliseconds.
const MOMENTS_MAX: u32 = 500;

#[tokio::test(start_paused = true)]
async fn a_caller_may_leave_at_every_poll() -> anyhow::Result<()> {
    leave_every_call(HangUp::AtPoll).await
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_leave_at_every_moment() -> anyhow::Result<()> {
    leave_every_call(|moment| HangUp::After(LATENCY * (moment - 1) + LATENCY / 2)).await
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_have_any_deadline() -> anyhow::Result<()> {
    leave_every_call(|moment| {
        HangUp::Deadline(match moment {
            1 => Duration::from_nanos(1),
            2 => Duration::from_micros(1),
            moment => LATENCY * (moment - 2),
        })
    })
    .await
}

/// Leaves each call ever later, until its answer comes first.
async fn leave_every_call(how: impl Fn(u32) -> HangUp) -> anyhow::Result<()> {
    let mut runs = 0;
    for method in Method::ALL.iter().filter(|method| method.changes()) {
        let (story, usual) = first_with(*method).await?;
        let mut moment = 1;
        while !leave(story, *method, how(moment), &usual).await? {
            moment += 1;
            ensure!(moment < MOMENTS_MAX, "{method:?} is never answered");
        }
        ensure!(
            moment > 1,
            "{method:?} was answered before anybody could leave"
        );
        runs += moment;
    }
    eprintln!("{runs} runs");
    Ok(())
}

/// The first story that makes the call.
async fn first_with(method: Method) -> anyhow::Result<(&'static Story, Undisturbed)> {
    for story in STORIES.iter().filter(|story| story.ends_the_same) {
        let usual = Undisturbed::of(story).await?;
        if usual.passed.contains_key(&Step::Asked(method)) {
            return Ok((story, usual));
        }
    }
    anyhow::bail!("no story makes the call {method:?}")
}

/// Leaves one call of a story; whether the answer was quicker.
async fn leave(
    story: &Story,
    method: Method,
    how: HangUp,
    usual: &Undisturbed,
) -> anyhow::Result<bool> {
    let about = || format!("{}, {method:?} left {how:?}", story.name);
    let shop = Shop::open(story.payment_timeout, true).await?;
    shop.plan.arm(story.faults.to_vec());
    shop.plan.slow_down(LATENCY);
    shop.leave(method, how);
    let told = (story.tell)(&shop).await;
    let left = shop.left().and_then(|left| left.was_answered);
    let (_, end) = finish(shop, told).await.with_context(about)?;
    ensure!(
        end == usual.end,
        "{}: {end:?}, not {:?}",
        about(),
        usual.end
    );
    left.with_context(|| format!("{}: never called", about()))
}
