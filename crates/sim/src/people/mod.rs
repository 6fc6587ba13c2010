//! Buyers and operators, by the public gRPC clients, and what they were told.

mod ask;
mod buyer;
mod health;
mod keeper;
mod promises;
mod purchase;

use std::sync::Arc;

use api::Clients;
use platform::clock::pause;
use platform::net::Transport;
use tokio::task::JoinHandle;

pub(crate) use health::check_health;
pub(crate) use keeper::{open_shop, settle_direct_holds};
pub(crate) use promises::{OrderPromise, Promises, Unkeyed};

use crate::net::Wire;
use crate::node::Kind;
use crate::world::{World, spawn};

/// Where people call all services from.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) world: Arc<World>,
    clients: Clients<Transport>,
}

impl Desk {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let services = [Kind::Catalog, Kind::Inventory, Kind::Order, Kind::Payment];
        Self {
            world: Arc::clone(world),
            clients: Clients::new(services.map(|to| Wire::of_people(world, to))),
        }
    }

    fn below(&self, count: u64) -> u64 {
        self.world.chances.people.below(count)
    }

    fn happens(&self, per_mille: u64) -> bool {
        self.world.chances.people.happens(per_mille)
    }

    /// Thinks for a while.
    async fn think(&self) {
        let most = self.world.plan.people.pause_ms_max;
        pause(self.world.chances.people.millis(0, most)).await;
    }

    /// The id of some book of the opening; it may be withdrawn by now.
    fn any_book(&self) -> u64 {
        // The first books are asked for most.
        let books = self.world.plan.people.books;
        let widest = 1 + self.below(books);
        1 + self.below(widest)
    }
}

/// Sends everybody shopping; each comes home by himself.
pub(crate) fn start(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let desk = Desk::new(world);
    let mut errands = Vec::new();
    for user in 1..=world.plan.people.buyers {
        errands.push(spawn(buyer::shop(desk.clone(), user)));
    }
    errands.push(spawn(keeper::restock(desk.clone())));
    errands.push(spawn(keeper::change_prices(desk.clone())));
    errands.push(spawn(keeper::hold_directly(desk.clone())));
    errands.push(spawn(keeper::pay_for_nothing(desk.clone())));
    errands.push(spawn(keeper::look_around(desk)));
    errands
}
