//! All runs of one stage: every point once, the points of recovery, pairs; and the account of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use bookstore_e2e::setting_number;
use futures::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use testkit::servers::tell;

use crate::points::{Target, is_of_many, list_points};
use crate::run::{Outcome, Plan, run};
use crate::stage::Stage;
use crate::story::{Facts, STORIES, Story};

/// How many shops are open at once, half as many on servers: most of their time they wait for leases
/// to run out.
const SHOPS: u32 = 12;
/// The passages of one point that are crashed at: by then every flow of a story came by.
const TURNS_MAX: usize = 8;
/// After so many violations the storm ends: a run that fails kills nobody, so it might never end.
const STORM_VIOLATIONS_MAX: usize = 100;
/// How many crashes a run of the storm has at the most.
const STORM_CRASHES_MAX: usize = 5;

/// How often one point is crashed at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Depth {
    /// The first time that the first story comes by.
    Once,
    /// The first time that each story comes by.
    EveryStory,
    /// Every time, as far as flows differ.
    EveryPassage,
}

/// The runs of one stage, and what came of them.
pub(crate) struct Matrix {
    stage: Stage,
    shops: usize,
    /// What each story looks like where nothing crashes.
    undisturbed: BTreeMap<&'static str, Outcome>,
    /// Pairs that can be met: the second point was passed after the crash at the first.
    pairs: BTreeSet<(usize, Target, Target)>,
    /// Points that were passed, ever.
    passed: BTreeSet<String>,
    /// Points at which a process was killed.
    crashed: BTreeSet<String>,
    runs: usize,
    kills: usize,
    violations: Vec<String>,
}

impl Matrix {
    /// Plays every story undisturbed.
    pub(crate) async fn open(stage: Stage) -> anyhow::Result<Self> {
        // On servers a shop has four processes in place of one.
        let shops = if stage.is_on_servers() {
            SHOPS / 2
        } else {
            SHOPS
        };
        let shops = usize::try_from(setting_number("BOOKSTORE_TEST_CRASH_SHOPS", shops))?;
        let mut undisturbed = BTreeMap::new();
        let mut passed = BTreeSet::new();
        for story in STORIES {
            let plan = Plan {
                story,
                targets: Vec::new(),
            };
            let outcome = run(&stage, &plan, None).await.context(story.name)?;
            passed.extend(outcome.lives.iter().flat_map(|life| life.keys().cloned()));
            undisturbed.insert(story.name, outcome);
        }
        Ok(Self {
            stage,
            shops,
            undisturbed,
            pairs: BTreeSet::new(),
            passed,
            crashed: BTreeSet::new(),
            runs: 0,
            kills: 0,
            violations: Vec::new(),
        })
    }

    /// Crashes once at every point that a story comes by.
    pub(crate) async fn crash_singly(&mut self, depth: Depth) -> anyhow::Result<()> {
        let mut plans = Vec::new();
        let mut planned = BTreeSet::new();
        for story in STORIES {
            for (point, count) in self.passages(story) {
                let is_first = planned.insert(point.clone());
                let last = match depth {
                    Depth::Once if !is_first => continue,
                    Depth::EveryPassage if !is_of_many(&point) => count.min(TURNS_MAX),
                    Depth::Once | Depth::EveryStory | Depth::EveryPassage => 1,
                };
                plans.extend((1..=last).map(|turn| Plan {
                    story,
                    targets: vec![Target {
                        point: point.clone(),
                        turn,
                    }],
                }));
            }
        }
        self.run_all(plans).await
    }

    /// Crashes a second time at every point at which no first crash could be: nobody comes by the
    /// steps of recovery undisturbed.
    pub(crate) async fn crash_in_recovery(&mut self) -> anyhow::Result<()> {
        let mut plans = BTreeMap::new();
        for (story, first, second) in &self.pairs {
            if !self.crashed.contains(&second.point) {
                let plan = pair(*story, first, second);
                plans.entry(second.point.clone()).or_insert(plan);
            }
        }
        self.run_all(plans.into_values().collect()).await
    }

    /// Crashes twice, at `count` pairs of all that can be met.
    pub(crate) async fn crash_in_pairs(&mut self, count: usize, seed: u64) -> anyhow::Result<()> {
        let mut plans: Vec<_> = self
            .pairs
            .iter()
            .map(|(story, first, second)| pair(*story, first, second))
            .collect();
        plans.shuffle(&mut StdRng::seed_from_u64(seed));
        plans.truncate(count);
        self.run_all(plans).await
    }

    /// Crashes at random, several times a run, until `kills` processes were killed; answers how many
    /// violations there were.
    pub(crate) async fn storm(mut self, kills: usize, seed: u64) -> anyhow::Result<usize> {
        let mut dice = StdRng::seed_from_u64(seed);
        while self.kills < kills && self.violations.len() < STORM_VIOLATIONS_MAX {
            let plans = (0..self.shops * 8).map(|_| self.draw(&mut dice)).collect();
            self.run_all(plans).await?;
        }
        Ok(self.violations.len())
    }

    fn draw(&self, dice: &mut StdRng) -> Plan {
        let story = &STORIES[dice.random_range(0..STORIES.len())];
        let passages: Vec<_> = self.passages(story).collect();
        let crashes = dice.random_range(1..=STORM_CRASHES_MAX);
        let targets = (0..crashes).map(|_| {
            let (point, count) = &passages[dice.random_range(0..passages.len())];
            Target {
                point: point.clone(),
                turn: dice.random_range(1..=*count),
            }
        });
        Plan {
            story,
            targets: targets.collect(),
        }
    }

    /// The points that a story comes by undisturbed, and how often.
    fn passages(&self, story: &Story) -> impl Iterator<Item = (String, usize)> {
        let lives = self.undisturbed.get(story.name).map(|told| &told.lives);
        let first = lives.and_then(|lives| lives.first()).cloned();
        first.unwrap_or_default().into_iter()
    }

    async fn run_all(&mut self, plans: Vec<Plan>) -> anyhow::Result<()> {
        let (stage, undisturbed) = (&self.stage, &self.undisturbed);
        let ahead = plans.len();
        tell(&format!(
            "crash matrix on {}: {ahead} runs ahead",
            stage.name
        ));
        let runs = plans.into_iter().map(|plan| async move {
            let expected: Option<&Facts> = undisturbed.get(plan.story.name).map(|told| &told.facts);
            let outcome = run(stage, &plan, expected).await;
            (plan, outcome)
        });
        let told: Vec<_> = stream::iter(runs)
            .buffer_unordered(self.shops)
            .inspect(|(plan, outcome)| {
                if let Err(error) = outcome {
                    tell(&format!("VIOLATION: {}, {plan}: {error:#}", stage.name));
                }
            })
            .collect()
            .await;
        for (plan, outcome) in told {
            self.take_down(&plan, outcome);
        }
        tell(&self.summary());
        Ok(())
    }

    fn take_down(&mut self, plan: &Plan, outcome: anyhow::Result<Outcome>) {
        self.runs += 1;
        let Ok(outcome) = outcome else {
            let again = format!("BOOKSTORE_TEST_CRASH_ONLY='{}, {plan}'", self.stage.name);
            self.violations.push(again);
            return;
        };
        self.kills += outcome.met.len();
        for life in &outcome.lives {
            self.passed.extend(life.keys().cloned());
        }
        let story = STORIES
            .iter()
            .position(|story| story.name == plan.story.name);
        if let ([first], Some(recovery), Some(story)) =
            (&outcome.met[..], outcome.lives.get(1), story)
        {
            let second = recovery.keys().map(|point| Target::first(point));
            self.pairs
                .extend(second.map(|second| (story, first.clone(), second)));
        }
        let met = outcome.met.into_iter().map(|target| target.point);
        self.crashed.extend(met);
    }

    /// What was done, in a line.
    pub(crate) fn summary(&self) -> String {
        format!(
            "crash matrix on {}: {} points crashed at, {} runs, {} kills, {} violations",
            self.stage.name,
            self.crashed.len(),
            self.runs,
            self.kills,
            self.violations.len()
        )
    }

    /// Whether all went well, and nothing was left out.
    ///
    /// # Errors
    /// The violations; else the points that nobody knew, came by, or was crashed at.
    pub(crate) fn judge(&self) -> anyhow::Result<()> {
        ensure!(
            self.violations.is_empty(),
            "violations, each with what runs it again:\n{}",
            self.violations.join("\n")
        );
        let listed = list_points(self.stage.is_on_servers())?;
        let unlisted: Vec<_> = self.passed.difference(&listed).collect();
        ensure!(
            unlisted.is_empty(),
            "points not found in the sources: {unlisted:?}"
        );
        let left_out: Vec<_> = listed.difference(&self.crashed).collect();
        ensure!(
            left_out.is_empty(),
            "points at which nothing was crashed; does a story come by? {left_out:?}"
        );
        Ok(())
    }
}

fn pair(story: usize, first: &Target, second: &Target) -> Plan {
    Plan {
        story: &STORIES[story],
        targets: vec![first.clone(), second.clone()],
    }
}
