use std::net::SocketAddr;

use platform::config::CacheUrl;
use platform::db::DatabaseUrl;
use serde::Deserialize;

/// The section `catalog` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// The catalog's own database.
    pub database: DatabaseUrl,
    /// Where books are cached.
    pub cache: CacheUrl,
}
