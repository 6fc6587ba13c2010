//! Stock as a ledger: restock, deduct, release, commit.
//!
//! Owns: how many copies of each book are free and reserved, every movement that led there, and
//! one namespace of idempotency keys.
//! Never does: call another service; know what an order is (a hold has a key and a reference, and
//! that is all); write outside the combiner.
//!
//! What always holds; [`audit`] checks balances, ledger and holds against each other:
//! - neither count of a book is negative, and everything ever restocked is free, reserved or
//!   committed;
//! - the balance of a book is the sum of its ledger, which is only ever appended to;
//! - a key is used by one request: a repeat gets the first answer and changes nothing;
//! - a released key never deducts.
//!
//! Start reading at [`domain`] (`apply.rs` is the stock rule), then [`store`], then `grpc/`.

mod app;
pub mod audit;
mod config;
pub mod domain;
mod error;
mod grpc;
pub mod store;

use std::sync::Arc;

use api::inventory::v1::inventory_service_server::InventoryServiceServer;
use platform::StartError;
use platform::db::{Database, DatabaseOptions, Migration};
use platform::server::{REQUEST_BYTES_MAX, RunningService, ServiceDeps};
use platform::tasks::Tasks;

pub use config::Config;

use app::{ConservationWatch, Inventory};
use grpc::Grpc;
use store::Store;
use store::sql::SqlStore;

/// The service's name in logs, metrics and configuration.
const NAME: &str = "inventory";

/// The schema, step by step.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "balances, ledger, keys",
        sqlite: include_str!("../migrations/sqlite/0001_init.sql"),
        mysql: include_str!("../migrations/mysql/0001_init.sql"),
    },
    Migration {
        number: 2,
        name: "what a batch holds, in its key's row",
        sqlite: include_str!("../migrations/sqlite/0002_held_lines.sql"),
        mysql: include_str!("../migrations/mysql/0002_held_lines.sql"),
    },
];

/// Opens the database and starts the service on it.
///
/// # Errors
/// [`StartError::Database`] if the database is unreachable or unfit for use.
pub async fn start(config: Config, deps: ServiceDeps) -> Result<RunningService, StartError> {
    let options = DatabaseOptions {
        migrate: deps.migrate,
        ..DatabaseOptions::default()
    };
    let database = Database::open(&config.database, MIGRATIONS, options)
        .await
        .map_err(|source| StartError::Database {
            service: NAME,
            source,
        })?;
    Ok(start_with_store(Arc::new(SqlStore::new(database)), deps).await)
}

/// Starts the service on any store: for simulations and tests.
pub async fn start_with_store(store: Arc<dyn Store>, deps: ServiceDeps) -> RunningService {
    let tasks = Tasks::new();
    let inventory = Inventory::start(store, deps.clock);
    ConservationWatch::start(&inventory, &tasks);
    let server = InventoryServiceServer::new(Grpc::new(inventory.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    RunningService::builder(NAME, tasks, deps.locale)
        .add_service(server)
        .on_stop(inventory.close())
        .build()
        .await
}
