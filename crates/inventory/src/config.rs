use std::net::SocketAddr;

use platform::db::DatabaseUrl;
use serde::Deserialize;

/// The section `inventory` of the configuration; defaults live in `bookstore.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// The service's own database.
    pub database: DatabaseUrl,
}
