//! Buyers and operators, by the public gRPC clients alone, and what they were told.

mod ask;
mod buyer;
mod health;
mod keeper;
mod promises;
mod purchase;

use std::sync::Arc;
use std::time::Duration;

use api::catalog::v1::catalog_service_client::CatalogServiceClient;
use api::inventory::v1::inventory_service_client::InventoryServiceClient;
use api::order::v1::order_service_client::OrderServiceClient;
use api::payment::v1::payment_service_client::PaymentServiceClient;
use platform::clock::pause;
use platform::net::Transport;
use tokio::task::JoinHandle;

pub(crate) use health::check_health;
pub(crate) use keeper::{open_shop, settle_direct_holds};
pub(crate) use promises::{OrderPromise, Promises, Unkeyed};

use crate::net::Wire;
use crate::node::Kind;
use crate::world::{World, spawn};

/// How long people wait for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// A client of every service.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) world: Arc<World>,
    catalog: CatalogServiceClient<Transport>,
    inventory: InventoryServiceClient<Transport>,
    order: OrderServiceClient<Transport>,
    payment: PaymentServiceClient<Transport>,
}

impl Desk {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let wire = |to| Wire::of_people(world, to);
        Self {
            world: Arc::clone(world),
            catalog: CatalogServiceClient::new(wire(Kind::Catalog)),
            inventory: InventoryServiceClient::new(wire(Kind::Inventory)),
            order: OrderServiceClient::new(wire(Kind::Order)),
            payment: PaymentServiceClient::new(wire(Kind::Payment)),
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

    /// The id of some book that is for sale.
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
