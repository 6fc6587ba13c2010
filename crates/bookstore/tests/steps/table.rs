//! Steps times treatments, each told by every story that passes the step.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use prost::Message;
use prost_types::FileDescriptorSet;

use crate::audit::{self, Picture};
use crate::plan::{Extent, Fault, Treatment};
use crate::shop::{Shop, Stop};
use crate::step::{Method, OrderStep, Step};
use crate::stories::{STORIES, Story};

macro_rules! parts {
    ($($part:ident $test:ident),+ $(,)?) => {
        /// The table in parts that run side by side.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Part { $($part),+ }

        $(
            #[tokio::test(start_paused = true)]
            async fn $test() -> anyhow::Result<()> {
                treat(Part::$part).await
            }
        )+
    };
}

parts! {
    Shelf calls_of_people_to_catalog_and_inventory_survive_every_treatment,
    Orders calls_of_people_to_order_survive_every_treatment,
    Money calls_of_people_to_payment_survive_every_treatment,
    Pricing calls_of_order_to_catalog_survive_every_treatment,
    Deducting deductions_of_order_survive_every_treatment,
    Releasing releases_and_commits_of_order_survive_every_treatment,
    Paying charges_of_order_survive_every_treatment,
    Refunding refunds_and_the_feed_survive_every_treatment,
    Moving transitions_of_orders_survive_every_treatment,
    Working tasks_leases_and_reads_of_order_survive_every_treatment,
    Settling units_of_work_of_payment_survive_every_treatment,
    Stocking units_of_work_of_catalog_and_inventory_survive_every_treatment,
    Charging calls_to_the_bank_survive_every_treatment,
    Waiting calls_to_the_queue_survive_every_treatment,
}

impl Part {
    /// Where a step is treated.
    fn of(step: Step) -> Self {
        match step {
            Step::Asked(method) => match method {
                Method::CreateOrder
                | Method::PayOrder
                | Method::CancelOrder
                | Method::ShipOrder
                | Method::CompleteOrder => Self::Orders,
                Method::Pay | Method::Refund => Self::Money,
                _ => Self::Shelf,
            },
            Step::Upstream(method) => match method {
                Method::GetStock | Method::BatchDeductStock | Method::DeductBatches => {
                    Self::Deducting
                }
                Method::BatchReleaseStock | Method::CommitStock => Self::Releasing,
                Method::Pay | Method::GetPaymentStatus => Self::Paying,
                Method::Refund | Method::WatchPayments => Self::Refunding,
                _ => Self::Pricing,
            },
            Step::Order(step) => match step {
                OrderStep::ClaimTask
                | OrderStep::EndTask
                | OrderStep::FailTask
                | OrderStep::ResumeTask
                | OrderStep::TakeLease
                | OrderStep::FreeLease
                | OrderStep::OpenIntent
                | OrderStep::TakeIntent
                | OrderStep::CloseIntent => Self::Working,
                _ => Self::Moving,
            },
            Step::OrderRead(_) => Self::Working,
            Step::Payment(_) | Step::PaymentRead(_) => Self::Settling,
            Step::Stock(_) | Step::Book(_) => Self::Stocking,
            Step::Gateway(_) => Self::Charging,
            Step::Queue(_) => Self::Waiting,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_step_is_passed_by_a_story() -> anyhow::Result<()> {
    let mut passed = BTreeSet::new();
    for story in STORIES {
        passed.extend(Undisturbed::of(story).await?.passed.into_keys());
    }
    let all: BTreeSet<_> = Step::all().into_iter().collect();
    let missed: Vec<_> = all.difference(&passed).collect();
    ensure!(missed.is_empty(), "no story passes {missed:?}");
    // A call that order makes, and that `UPSTREAM` does not have, would go untreated.
    let strangers: Vec<_> = passed.difference(&all).collect();
    ensure!(strangers.is_empty(), "not in the list: {strangers:?}");
    Ok(())
}

#[test]
fn every_call_that_changes_something_is_a_step() -> anyhow::Result<()> {
    let set = FileDescriptorSet::decode(api::FILE_DESCRIPTOR_SET)?;
    let reads = ["Get", "List", "Search", "BatchGet", "Watch"];
    let mut offered = BTreeSet::new();
    for file in &set.file {
        for service in &file.service {
            let changing = service.method.iter().filter(|method| {
                let name = method.name();
                !reads.iter().any(|read| name.starts_with(read))
            });
            let path = |name: &str| format!("/{}.{}/{}", file.package(), service.name(), name);
            offered.extend(changing.map(|method| path(method.name())));
        }
    }
    let known = Method::ALL.iter().filter(|method| method.changes());
    let known: BTreeSet<_> = known.map(|method| method.path().to_owned()).collect();
    ensure!(known == offered, "known {known:?}, offered {offered:?}");
    Ok(())
}

/// A story told without any fault but its own.
pub(crate) struct Undisturbed {
    pub(crate) passed: BTreeMap<Step, u32>,
    pub(crate) end: Picture,
}

impl Undisturbed {
    pub(crate) async fn of(story: &Story) -> anyhow::Result<Self> {
        let shop = Shop::open(story.payment_timeout, true).await?;
        shop.plan.arm(story.faults.to_vec());
        let told = (story.tell)(&shop).await;
        let (passed, end) = finish(shop, told)
            .await
            .with_context(|| format!("{}, undisturbed", story.name))?;
        Ok(Self { passed, end })
    }
}

/// Gives every treatment to every step of a part.
async fn treat(part: Part) -> anyhow::Result<()> {
    let all = Step::all().into_iter();
    let steps: Vec<_> = all.filter(|step| Part::of(*step) == part).collect();
    let mut told = BTreeMap::<_, u32>::new();
    for story in STORIES {
        let undisturbed = Undisturbed::of(story).await?;
        for step in steps
            .iter()
            .filter(|step| undisturbed.passed.contains_key(step))
        {
            for treatment in Treatment::of(*step) {
                for extent in Extent::of(*step) {
                    let fault = Fault {
                        step: *step,
                        treatment,
                        extent,
                    };
                    tell(story, fault, &undisturbed.end).await?;
                    *told.entry(*step).or_default() += 2;
                }
            }
        }
    }
    let runs: u32 = told.values().sum();
    eprintln!("{runs} runs of {} steps", told.len());
    ensure!(
        told.len() == steps.len(),
        "untreated: only {:?}",
        told.keys()
    );
    Ok(())
}

/// Tells a story under one fault more than its own, to patient people and to others.
async fn tell(story: &Story, fault: Fault, usual_end: &Picture) -> anyhow::Result<()> {
    for is_patient in [true, false] {
        let about = || format!("{} (patient: {is_patient}) under {fault:?}", story.name);
        let shop = Shop::open(story.payment_timeout, is_patient).await?;
        let faults = [&[fault], story.faults].concat();
        shop.plan.arm(faults);
        let told = (story.tell)(&shop).await;
        let (passed, end) = finish(shop, told).await.with_context(about)?;
        if !is_patient {
            continue;
        }
        ensure!(passed.contains_key(&fault.step), "{}: not passed", about());
        if story.ends_the_same {
            ensure!(end == *usual_end, "{}: {end:?}, not {usual_end:?}", about());
        }
    }
    Ok(())
}

/// What is left when the faults are over, once everything late has arrived; and that nothing is
/// left once all is called off.
pub(crate) async fn finish(
    shop: Shop,
    told: Result<(), Stop>,
) -> anyhow::Result<(BTreeMap<Step, u32>, Picture)> {
    match told {
        Ok(()) => {}
        Err(Stop::GaveUp) if !shop.is_patient => {}
        Err(Stop::GaveUp) => bail!("nobody gives up who is patient"),
        Err(Stop::Wrong(error)) => return Err(error),
    }
    let passed = shop.plan.passed();
    shop.plan.heal();
    audit::settle(&shop).await?;
    audit::check(&shop).await?;
    shop.plan.deliver_all().await;
    audit::settle(&shop).await?;
    audit::check(&shop).await.context("after what came late")?;
    let end = Picture::of(&shop).await?;
    audit::clean_up(&shop).await?;
    shop.close().await;
    Ok((passed, end))
}
