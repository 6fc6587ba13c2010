//! The catalog: publish and find books.
//!
//! Owns: the books, their ids and the uniqueness of their ISBNs; the search index; the cache.
//! Never does: keep stock, take orders or payments; call another service.
//!
//! What holds always:
//! - an ISBN, however it is written, belongs to one book at most;
//! - every change takes the next number of one sequence, and changes become visible in its order,
//!   so whoever follows the sequence misses nothing;
//! - a read of a book, or of a list, through this process sees every write that this process answered
//!   before it; a read anywhere is at most a second old, and so is what a search finds, unless changes
//!   cannot be followed.
//!
//! Start reading at [`domain::Rows::apply`] (the rules of a change). Then `app` (one file per use
//! case), `reads` (how reads are fast and still fresh), `search` (what a keyword finds), and
//! [`store`] (the SQL).

mod app;
pub mod audit;
mod config;
pub mod domain;
mod error;
mod grpc;
mod reads;
pub mod search;
pub mod store;

use std::sync::Arc;

use api::catalog::v1::catalog_service_server::CatalogServiceServer;
use platform::StartError;
use platform::combiner::{Combiner, CombinerLimits};
use platform::config::CacheUrl;
use platform::db::{Database, DatabaseOptions, DbError, Migration};
use platform::redis::Redis;
use platform::server::{REQUEST_BYTES_MAX, RunningService, ServiceDeps};
use platform::tasks::Tasks;
use tokio::sync::Notify;

use app::{Catalog, Writer};
use grpc::CatalogGrpc;
use reads::{BookCache, BookReader, Follower, SharedBooks, SharedIndex};
use store::{SqlStore, Store};

pub use config::Config;

const NAME: &str = "catalog";

/// The schema of the catalog's database.
pub const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "books and counters",
    sqlite: include_str!("../migrations/sqlite/0001_init.sql"),
    mysql: include_str!("../migrations/mysql/0001_init.sql"),
}];

/// What a catalog is built from.
pub struct Parts {
    /// Where books are kept.
    pub store: Arc<dyn Store>,
    /// The cache that all replicas share, behind each one's own.
    pub redis: Option<Redis>,
}

/// Starts the catalog on its database; it is ready when this returns.
///
/// # Errors
/// A database or a Redis that is unreachable or unfit for use.
pub async fn start(config: Config, deps: ServiceDeps) -> Result<RunningService, StartError> {
    let options = DatabaseOptions {
        migrate: deps.migrate,
        ..DatabaseOptions::default()
    };
    let db = Database::open(&config.database, MIGRATIONS, options)
        .await
        .map_err(start_error)?;
    let parts = Parts {
        store: Arc::new(SqlStore::new(db)),
        redis: open_redis(&config.cache).await?,
    };
    start_with(parts, deps).await
}

async fn open_redis(cache: &CacheUrl) -> Result<Option<Redis>, StartError> {
    let url = match cache {
        CacheUrl::Memory => return Ok(None),
        CacheUrl::Redis(url) => url,
    };
    let connected = Redis::connect(url, "catalog.cache").await;
    connected.map(Some).map_err(|error| StartError::Config {
        key: "catalog.cache".to_owned(),
        reason: format!("{url}: {error}"),
    })
}

/// Starts the catalog from parts of the caller's choice: for tests and simulations.
///
/// # Errors
/// A store whose books cannot be read.
pub async fn start_with(parts: Parts, deps: ServiceDeps) -> Result<RunningService, StartError> {
    let Parts { store, redis } = parts;
    let tasks = Tasks::new();
    let cache = Arc::new(BookCache::new());
    let index = Arc::new(SharedIndex::new(tasks.clone()));
    let shared = redis.map(|redis| SharedBooks::new(redis, tasks.clone()));
    let written = Arc::new(Notify::new());

    let mut follower = Follower::new(
        Arc::clone(&store),
        Arc::clone(&index),
        Arc::clone(&cache),
        shared.clone(),
    );
    follower.catch_up().await.map_err(start_error)?;
    follower.run(&tasks, Arc::clone(&written));

    let writer = Writer {
        store: Arc::clone(&store),
        cache: Arc::clone(&cache),
        shared: shared.clone(),
        written,
    };
    let catalog = Arc::new(Catalog {
        clock: deps.clock,
        writes: Combiner::start("catalog.write", writer, CombinerLimits::default()),
        reader: BookReader::start(Arc::clone(&store), cache, shared),
        store,
        index,
    });
    let grpc = CatalogServiceServer::new(CatalogGrpc::new(Arc::clone(&catalog)))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let service = RunningService::builder(NAME, tasks, deps.locale)
        .add_service(grpc)
        .on_stop(async move { catalog.close().await });
    Ok(service.build().await)
}

fn start_error(source: DbError) -> StartError {
    StartError::Database {
        service: NAME,
        source,
    }
}
