//! One run: a story is played while its shop is crashed at targets, one after the other, and started
//! again each time.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bookstore_e2e::Shop;
use bookstore_e2e::goods::Placed;
use platform::clock::pause;

use crate::points::{Passed, Target, read_passed};
use crate::stage::Stage;
use crate::story::{Customer, Facts, Story};

/// How often the processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a run may take: far longer than it does on a busy machine.
const LIMIT: Duration = Duration::from_mins(8);
/// How often a start is tried that found the database too slow, and what it says then.
const TRIES_MAX: u32 = 10;
const SLOW: &str = "database unavailable";

/// What is to be crashed where.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) story: &'static Story,
    pub(crate) targets: Vec<Target>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.story.name)?;
        self.targets
            .iter()
            .try_for_each(|target| write!(f, ", {target}"))
    }
}

/// How a run went.
pub(crate) struct Outcome {
    pub(crate) facts: Facts,
    /// The targets that were met, each a kill.
    pub(crate) met: Vec<Target>,
    /// What was passed in each life of the shop.
    pub(crate) lives: Vec<Passed>,
}

/// Plays the plan's story on `stage`; `expected` is what must be seen in the end.
///
/// # Errors
/// A violation: something was refused, lost, done twice or never done, or the auditor found something.
pub(crate) async fn run(
    stage: &Stage,
    plan: &Plan,
    expected: Option<&Facts>,
) -> anyhow::Result<Outcome> {
    let (shop, databases) = stage.prepare(plan.story.settings).await?;
    let mut patient = Patient {
        stage,
        shop,
        targets: plan.targets.iter().cloned().collect(),
        met: Vec::new(),
        life: 0,
    };
    let played = tokio::time::timeout(LIMIT, patient.live_through(plan.story, expected)).await;
    let facts = played
        .unwrap_or_else(|_| bail!("not over after {LIMIT:?}"))
        .with_context(|| patient.describe())?;
    let lives = (0..=patient.life).map(|life| read_passed(&patient.log_of(life)));
    let (lives, met) = (lives.collect(), std::mem::take(&mut patient.met));
    drop(patient);
    stage.clear(databases).await?;
    Ok(Outcome { facts, met, lives })
}

/// A shop that is crashed and revived.
struct Patient<'a> {
    stage: &'a Stage,
    shop: Shop,
    /// Where it is still to be crashed; the first is armed.
    targets: VecDeque<Target>,
    met: Vec<Target>,
    /// Counts its crashes.
    life: usize,
}

impl Patient<'_> {
    async fn live_through(
        &mut self,
        story: &Story,
        expected: Option<&Facts>,
    ) -> anyhow::Result<Facts> {
        self.arm();
        self.start().await?;
        let customer = Customer {
            clients: self.shop.clients()?,
        };
        let placed = self.nursed((story.play)(customer.clone())).await?;
        let facts = self.settle(&customer, &placed, expected).await?;
        // A drain has steps of its own; what it was crashed at must come right after the next start.
        if self.drain().await? {
            self.start().await?;
            self.settle(&customer, &placed, Some(&facts)).await?;
        }
        Ok(facts)
    }

    /// Waits until all that workers do is done; they, too, may be crashed.
    async fn settle(
        &mut self,
        customer: &Customer,
        placed: &[Placed],
        expected: Option<&Facts>,
    ) -> anyhow::Result<Facts> {
        let look = async {
            match expected {
                Some(expected) => customer.until_facts_are(placed, expected).await,
                None => Ok(()),
            }
        };
        self.nursed(look).await?;
        self.audit().await?;
        self.nursed(customer.facts_at_last(placed)).await
    }

    /// Does `work`, and meanwhile starts again what was crashed.
    async fn nursed<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = pause(LOOK_EVERY) => {}
            }
            // Work goes on during a start, and may be done before its end: a start is never cut off.
            let mut done = None;
            let mut reviving = std::pin::pin!(self.revive());
            loop {
                tokio::select! {
                    revived = &mut reviving => {
                        revived?;
                        break;
                    }
                    result = &mut work, if done.is_none() => done = Some(result),
                }
            }
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Runs the auditor on the living shop, which mends itself until nothing is wrong.
    async fn audit(&mut self) -> anyhow::Result<()> {
        loop {
            let found = self.shop.run(&["check", "--wait", "60s"]).await?;
            if !self.revive().await? {
                found.expect_code(0)?;
                return Ok(());
            }
        }
    }

    /// Stops the shop as operators do; whether it was crashed in the midst of it.
    async fn drain(&mut self) -> anyhow::Result<bool> {
        for process in self.stage.processes() {
            if let Err(error) = self.shop.terminate(*process).await {
                ensure!(self.is_met(), error);
                self.go_on();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Starts again what was crashed; whether anything was.
    async fn revive(&mut self) -> anyhow::Result<bool> {
        let ended = self.shop.take_ended()?;
        if ended.is_empty() {
            return Ok(false);
        }
        ensure!(self.is_met(), "ended by itself: {ended:?}");
        self.go_on();
        if !self.targets.is_empty() {
            // The next target may be in any process: all have to hear of it.
            self.shop.kill()?;
        }
        self.start().await?;
        Ok(true)
    }

    /// Starts what is not running, however often it is crashed meanwhile.
    async fn start(&mut self) -> anyhow::Result<()> {
        let mut tries = 1;
        loop {
            match self.shop.start().await {
                Ok(()) => return Ok(()),
                Err(_) if self.is_met() => self.go_on(),
                // A start gives a database 3 s, which a busy machine may need.
                Err(error) if tries < TRIES_MAX && error.to_string().contains(SLOW) => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the armed target was met in this life.
    fn is_met(&self) -> bool {
        let passed = read_passed(&self.log_of(self.life));
        self.targets.front().is_some_and(|target| {
            let count = passed.get(&target.point);
            count.is_some_and(|count| *count >= target.turn)
        })
    }

    /// On to the next life, with the next target.
    fn go_on(&mut self) {
        self.met.extend(self.targets.pop_front());
        self.life += 1;
        self.arm();
    }

    fn arm(&mut self) {
        let target = self.targets.front().map(ToString::to_string);
        let log = self.log_of(self.life).display().to_string();
        self.shop.set("TEST_CRASH", &target.unwrap_or_default());
        self.shop.set("TEST_CRASH_LOG", &log);
    }

    fn log_of(&self, life: usize) -> PathBuf {
        self.shop.folder().join(format!("passed-{life}"))
    }

    /// What helps to understand a violation: what was crashed, and the end of the log.
    fn describe(&self) -> String {
        let log = self.shop.log();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines.len().saturating_sub(30);
        let tail = lines.get(tail..).unwrap_or_default().join("\n");
        let met: Vec<_> = self.met.iter().map(ToString::to_string).collect();
        format!("crashed at {met:?}; the end of the log:\n{tail}\n")
    }
}
