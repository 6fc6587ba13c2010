//! The payment service: charges orders and gives the money back, through a payment gateway.
//!
//! Owns: one payment per order, the attempts behind it, and the feed of what became of them.
//! Never does: call another service; decide whether an order ought to be paid.
//!
//! What holds at every moment, through crashes and replicas alike:
//! - at most one attempt of an order is open or holds money: nobody is charged twice;
//! - an attempt is written down before the gateway is asked, and settled only by the gateway's own
//!   final word; an unknown outcome stays open and is asked about again, without end;
//! - a settled change and its event in the feed are one transaction; the feed has no gaps.
//!
//! Start reading at [`domain`] (the rules), then `app/pay.rs` (a payment, top to bottom), then
//! `app/ask.rs` (what happens when the gateway is silent).

pub mod audit;
pub mod domain;
pub mod gateway;
pub mod store;

mod app;
mod config;
mod error;
mod grpc;

use std::sync::Arc;

use api::payment::v1::payment_service_server::PaymentServiceServer;
use platform::StartError;
use platform::db::Migration;
use platform::server::{RunningService, ServiceDeps};
use platform::tasks::Tasks;

pub use config::{Config, GatewayKind};

use domain::{Method, Timetable};
use gateway::{Gateways, MockGateway};
use store::{SqlStore, Store};

/// The schema, step by step.
pub const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "init",
    sqlite: include_str!("../migrations/sqlite/0001_init.sql"),
    mysql: include_str!("../migrations/mysql/0001_init.sql"),
}];

/// The service's name, in logs and metrics.
const NAME: &str = "payment";

/// Starts the service on the database and the gateway that `config` names.
///
/// # Errors
/// A configuration value that cannot be used, or a database that cannot be opened.
pub async fn start(config: Config, deps: ServiceDeps) -> Result<RunningService, StartError> {
    config.check()?;
    let store = SqlStore::open(&config.database, deps.migrate)
        .await
        .map_err(|source| StartError::Database {
            service: NAME,
            source,
        })?;
    let gateways = gateways_of(&config)?;
    let timetable = Timetable::new(config.gateway_timeout);
    Ok(start_with(Arc::new(store), gateways, timetable, deps).await)
}

/// Starts the service on a given store and given gateways: for tests and simulations.
pub async fn start_with(
    store: Arc<dyn Store>,
    gateways: Gateways,
    timetable: Timetable,
    deps: ServiceDeps,
) -> RunningService {
    let tasks = Tasks::new();
    let payments = app::Payments::start(
        Arc::clone(&store),
        gateways,
        timetable,
        deps.clock,
        tasks.clone(),
    );
    let server = PaymentServiceServer::new(grpc::Grpc::new(Arc::clone(&payments)))
        .max_decoding_message_size(platform::server::REQUEST_BYTES_MAX);
    RunningService::builder(NAME, tasks, deps.locale)
        .add_service(server)
        .on_stop(async move {
            payments.close().await;
            store.close().await;
        })
        .build()
        .await
}

fn gateways_of(config: &Config) -> Result<Gateways, StartError> {
    let name = config.gateway.name();
    let method = Method::parse(name).ok_or_else(|| StartError::Config {
        key: "payment.gateway".to_owned(),
        reason: format!("{name} is no name of a payment method"),
    })?;
    let gateway = match config.gateway {
        GatewayKind::Mock => Arc::new(MockGateway::new(config.mock.clone())),
    };
    Ok(Gateways::new().with(method, gateway))
}
