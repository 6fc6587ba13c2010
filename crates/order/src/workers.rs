//! Background workers: each repeats one round of its work until the service stops.

use std::sync::Arc;

use platform::clock::SharedClock;
use platform::tasks::Tasks;

use crate::app::App;
use crate::config::Timing;
use crate::store::{Health, Store};

/// Starts all workers; the first round of each runs at once.
pub(crate) fn start(
    app: &Arc<App>,
    store: &Arc<dyn Store>,
    clock: &SharedClock,
    tasks: &Tasks,
    timing: Timing,
) {
    macro_rules! repeat {
        ($name:literal, $every:expr, $round:ident) => {{
            let app = Arc::clone(app);
            tasks.repeat($name, $every, move || {
                let app = Arc::clone(&app);
                async move { app.$round().await }
            });
        }};
    }
    repeat!("recover_creations", timing.recover_every, recover_creations);
    repeat!("retire_intents", timing.recover_every, retire_intents);
    repeat!("recover_intents", timing.recover_every, recover_intents);
    let every = timing.run_tasks_every;
    repeat!("run_tasks_of_inventory", every, run_tasks_of_inventory);
    repeat!("run_tasks_of_payment", every, run_tasks_of_payment);
    repeat!("sweep_deadlines", timing.sweep_every, sweep_deadlines);
    repeat!("expire_orders", timing.expire_every, expire_due);
    repeat!("follow_payments", timing.follow_every, follow_payments);
    let (store, clock) = (Arc::clone(store), Arc::clone(clock));
    tasks.repeat("measure_orders", timing.measure_every, move || {
        let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
        async move { measure(&*store, &clock).await }
    });
}

async fn measure(store: &dyn Store, clock: &SharedClock) {
    match store.health(clock.now()).await {
        Ok(health) => publish(health),
        Err(error) => tracing::warn!(%error, "figures could not be counted"),
    }
}

fn publish(health: Health) {
    let as_metric = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    metrics::gauge!("bookstore_order_tasks_outstanding").set(as_metric(health.tasks_outstanding));
    metrics::gauge!("bookstore_order_tasks_parked").set(as_metric(health.tasks_parked));
    metrics::gauge!("bookstore_orders_overdue").set(as_metric(health.orders_overdue));
    metrics::gauge!("bookstore_order_creations_overdue").set(as_metric(health.creations_overdue));
}
