//! Proves: wherever a process is crashed, at any commit, any call and any step of recovery, once or
//! again while it recovers, what customers and the auditor see in the end is what they see where
//! nothing ever crashed.
//!
//! The crash points are read from the sources: one that nobody comes by, or at which nothing was
//! crashed, fails the test. By environment:
//!
//! - `BOOKSTORE_TEST_CRASH_PAIRS`: how many pairs are tried on each stage; `all`: all, and every passage of
//!   every point;
//! - `BOOKSTORE_TEST_CRASH_ONCE`: each point in one story, not in every one that comes by it;
//! - `BOOKSTORE_TEST_CRASH_SEED`: which pairs, and which kills in the long run;
//! - `BOOKSTORE_TEST_CRASH_SHOPS`: how many shops are open at once;
//! - `BOOKSTORE_TEST_CRASH_ONLY`: one run again, as a violation names it;
//! - `BOOKSTORE_TEST_CRASH_LONG`: how many kills the long run makes.

mod matrix;
mod points;
mod run;
mod stage;
mod story;

use anyhow::{Context, ensure};
use bookstore_e2e::{setting, setting_number};
use matrix::{Depth, Matrix};
use points::Target;
use run::Plan;
use stage::Stage;
use testkit::servers::tell;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_point_changes_nothing_on_sqlite() -> anyhow::Result<()> {
    prove(Stage::sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_point_changes_nothing_on_mariadb_and_redis() -> anyhow::Result<()> {
    match Stage::servers().await? {
        Some(stage) => prove(stage).await,
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs for hours; `just crash-long`"]
async fn thousands_of_crashes_change_nothing() -> anyhow::Result<()> {
    let kills = usize::try_from(setting_number("BOOKSTORE_TEST_CRASH_LONG", 5000))?;
    let sqlite = Matrix::open(Stage::sqlite()?).await?;
    let servers = Stage::servers().await?.context("there are no servers")?;
    let servers = Matrix::open(servers).await?;
    let (half, seed) = (kills / 2, seed());
    let halves = [sqlite.storm(half, seed), servers.storm(kills - half, seed)];
    let found: usize = futures::future::try_join_all(halves).await?.iter().sum();
    ensure!(found == 0, "{found} violations");
    Ok(())
}

async fn prove(stage: Stage) -> anyhow::Result<()> {
    if let Some(only) = setting("BOOKSTORE_TEST_CRASH_ONLY") {
        return repeat(stage, &only).await;
    }
    let depth = match pairs()? {
        usize::MAX => Depth::EveryPassage,
        // Four processes to start each time.
        _ if stage.is_on_servers() => Depth::Once,
        _ if setting("BOOKSTORE_TEST_CRASH_ONCE").is_some() => Depth::Once,
        _ => Depth::EveryStory,
    };
    let mut matrix = Matrix::open(stage).await?;
    matrix.crash_singly(depth).await?;
    matrix.crash_in_recovery().await?;
    matrix.crash_in_pairs(pairs()?, seed()).await?;
    matrix.judge()
}

/// Runs `STAGE, STORY, TARGET, …` once more, if it is of this stage.
async fn repeat(stage: Stage, only: &str) -> anyhow::Result<()> {
    let mut words = only.split(", ");
    if words.next() != Some(stage.name) {
        return Ok(());
    }
    let name = words.next().context("no story is named")?;
    let story = story::STORIES.iter().find(|story| story.name == name);
    let plan = Plan {
        story: story.context("no such story")?,
        targets: words.map(Target::parse).collect::<anyhow::Result<_>>()?,
    };
    let undisturbed = Plan {
        targets: Vec::new(),
        ..plan.clone()
    };
    let expected = run::run(&stage, &undisturbed, None).await?;
    let outcome = run::run(&stage, &plan, Some(&expected.facts)).await?;
    let met: Vec<_> = outcome.met.iter().map(ToString::to_string).collect();
    tell(&format!("crashed at {met:?}: no violation"));
    Ok(())
}

fn pairs() -> anyhow::Result<usize> {
    match setting("BOOKSTORE_TEST_CRASH_PAIRS").as_deref() {
        None => Ok(40),
        Some("all") => Ok(usize::MAX),
        Some(count) => Ok(count.parse()?),
    }
}

fn seed() -> u64 {
    setting_number("BOOKSTORE_TEST_CRASH_SEED", 1).into()
}
