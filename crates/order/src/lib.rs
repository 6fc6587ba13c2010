//! Orders: the saga that creates them, the state machine that moves them, the outbox that carries
//! their effects to the other services, the payment timeout, and the payment feed.
//!
//! Owns: `order_db`. An order that is PENDING or PAID holds its stock; every transition is a
//! compare-and-set; what another service has to do because of one is recorded in the same
//! transaction and retried until it is done.
//! Never does: touch another service's database; take an unknown outcome for success or failure;
//! call another service inside a transaction; let a caller cancel what has begun.
//!
//! Start reading at [`domain`] (every rule, as plain functions), then `app/create_order/` (the saga
//! from top to bottom, and its two logs), then `app/run_tasks.rs` (why effects are attempted at
//! least once and count once).

mod app;
pub mod audit;
pub mod clients;
mod config;
pub mod delay_queue;
pub mod domain;
mod error;
mod grpc;
mod resume;
pub mod store;
mod workers;

use std::sync::Arc;

use api::order::v1::order_service_server::OrderServiceServer;
use platform::StartError;
use platform::db::{Database, DatabaseOptions};
use platform::discovery::Registry;
use platform::net::Transport;
use platform::server::{REQUEST_BYTES_MAX, RunningService, ServiceDeps};
use platform::tasks::Tasks;

pub use config::{Config, Timing};
pub use resume::resume_parked_tasks;
pub use store::MIGRATIONS;

use app::App;
use clients::{
    CatalogClient, CatalogGrpc, InventoryClient, InventoryGrpc, PaymentClient, PaymentGrpc,
};
use delay_queue::DelayQueue;
use store::{SqlStore, Store};

/// Transports to the services that order calls.
#[derive(Clone)]
pub struct Upstreams {
    /// The catalog.
    pub catalog: Transport,
    /// The inventory.
    pub inventory: Transport,
    /// Payment.
    pub payment: Transport,
}

impl Upstreams {
    /// The transports that the configuration names, with `registry` to resolve service names;
    /// connections are opened on first use.
    pub fn discover(config: &Config, registry: &dyn Registry) -> Result<Self, StartError> {
        let connect = |key: &str, url| {
            Transport::discover(url, registry).map_err(|error| StartError::Config {
                key: format!("order.{key}"),
                reason: error.to_string(),
            })
        };
        Ok(Self {
            catalog: connect("catalog", &config.catalog)?,
            inventory: connect("inventory", &config.inventory)?,
            payment: connect("payment", &config.payment)?,
        })
    }
}

/// The dependencies of an order service.
pub struct Parts {
    /// Where orders are kept.
    pub store: Arc<dyn Store>,
    /// The queue of payment deadlines.
    pub queue: Arc<dyn DelayQueue>,
    /// The catalog.
    pub catalog: Arc<dyn CatalogClient>,
    /// The inventory.
    pub inventory: Arc<dyn InventoryClient>,
    /// Payment.
    pub payment: Arc<dyn PaymentClient>,
    /// Its intervals and limits.
    pub timing: Timing,
}

/// Starts the service: its database, its delay queue, its workers, its server.
///
/// # Errors
/// A configuration that cannot be used, or a database or Redis server that cannot be reached.
pub async fn start(
    config: Config,
    deps: ServiceDeps,
    upstreams: Upstreams,
) -> Result<RunningService, StartError> {
    config.check()?;
    let options = DatabaseOptions {
        migrate: deps.migrate,
        ..DatabaseOptions::default()
    };
    let database = Database::open(&config.database, MIGRATIONS, options)
        .await
        .map_err(|source| StartError::Database {
            service: "order",
            source,
        })?;
    let queue = delay_queue::open(&config.delay_queue).await?;
    let parts = Parts {
        store: Arc::new(SqlStore::new(database)),
        queue,
        catalog: Arc::new(CatalogGrpc::new(upstreams.catalog)),
        inventory: Arc::new(InventoryGrpc::new(upstreams.inventory)),
        payment: Arc::new(PaymentGrpc::new(upstreams.payment)),
        timing: Timing::standard(config.payment_timeout),
    };
    Ok(start_with(parts, deps).await)
}

/// Starts the service from parts of the caller's choice: for tests and simulations.
pub async fn start_with(parts: Parts, deps: ServiceDeps) -> RunningService {
    let tasks = Tasks::new();
    let (store, timing) = (Arc::clone(&parts.store), parts.timing);
    let app = App::new(parts, Arc::clone(&deps.clock), tasks.clone());
    workers::start(&app, &store, &deps.clock, &tasks, timing);
    let last = Arc::clone(&app);
    let server =
        OrderServiceServer::new(grpc::OrderGrpc(app)).max_decoding_message_size(REQUEST_BYTES_MAX);
    RunningService::builder("order", tasks, deps.locale)
        .add_service(server)
        .on_stop(async move {
            last.stop_following().await;
            last.close().await;
        })
        .build()
        .await
}
