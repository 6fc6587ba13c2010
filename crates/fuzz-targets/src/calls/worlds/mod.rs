//! Running services whose rows can be put back: a few of everything, the same before each execution.

mod catalog;
mod inventory;
mod order;
mod payment;
mod upstreams;

use anyhow::{bail, ensure};
use async_trait::async_trait;
use platform::clock::ManualClock;
use platform::net::Transport;
use platform::server::ServiceDeps;
use prost::Message;
use types::{Locale, UnixMillis};

use super::raw::call;

/// The services that have a world.
pub(super) const SERVICES: [&str; 4] = ["catalog", "inventory", "order", "payment"];

/// A service over a memory store.
#[async_trait(?Send)]
pub(super) trait World {
    /// The way to the service, its shell included.
    fn transport(&self) -> Transport;

    /// Texts that mean something to the service: numbers and keys that are there, names of things.
    fn words(&self) -> &[String];

    /// Takes the rows as they are now for those that [`World::has_changed`] compares with.
    fn remember(&mut self);

    /// Whether the rows are others than they were.
    fn has_changed(&self) -> bool;

    /// Waits until what was begun is finished.
    async fn settle(&self) -> anyhow::Result<()>;

    /// Checks the laws of the service.
    async fn audit(&self) -> anyhow::Result<()>;

    /// Puts the rows back to what they were at the start.
    async fn restore(&mut self) -> anyhow::Result<()>;
}

/// Starts the service called `name`.
pub(super) async fn open_world(name: &str) -> anyhow::Result<Box<dyn World>> {
    Ok(match name {
        "catalog" => Box::new(catalog::CatalogWorld::open().await?),
        "inventory" => Box::new(inventory::InventoryWorld::open().await?),
        "order" => Box::new(order::OrderWorld::open().await?),
        "payment" => Box::new(payment::PaymentWorld::open().await?),
        other => bail!("there is no service {other}"),
    })
}

/// The time of day stands still.
fn deps() -> ServiceDeps {
    ServiceDeps {
        clock: ManualClock::new(UnixMillis::new(1_795_355_045_000)),
        locale: Locale::Zh,
        migrate: true,
    }
}

/// Makes a call that must be answered with OK, whatever its code.
async fn ask<R: Message + Default>(
    transport: &Transport,
    path: &str,
    request: impl Message,
) -> anyhow::Result<R> {
    let answer = call(transport, path, &request.encode_to_vec()).await?;
    ensure!(answer.code == Some(tonic::Code::Ok), "{path}: {answer:?}");
    Ok(R::decode(&*answer.message)?)
}

/// The words of a world, those that every service knows among them.
fn words_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const COMMON: [&str; 6] = ["k1", "k2", "k3", "mock", "三体", "图"];
    words
        .into_iter()
        .chain(COMMON)
        .map(ToOwned::to_owned)
        .collect()
}

/// Lets other tasks run for a while.
async fn let_others_run() {
    const TURNS: u32 = 16;
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}
