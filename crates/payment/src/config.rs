use std::net::SocketAddr;
use std::time::Duration;

use platform::config::{ConfigError, human_duration};
use platform::db::DatabaseUrl;
use serde::Deserialize;

use crate::gateway::MockConfig;

/// The `payment` section of the configuration; defaults live in `bookstore.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// Its database.
    pub database: DatabaseUrl,
    /// Which gateway moves the money; its name is the `payment_method` that callers give.
    pub gateway: GatewayKind,
    /// How long one call to the gateway may take. After a timeout the outcome is unknown, and the
    /// gateway is asked about it; shorter than callers wait, so that most of them still learn it in
    /// the same call.
    #[serde(with = "human_duration")]
    pub gateway_timeout: Duration,
    /// How the mock gateway behaves.
    pub mock: MockConfig,
}

/// The gateways that this release knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayKind {
    /// Moves no money; see [`MockGateway`](crate::gateway::MockGateway).
    Mock,
}

impl GatewayKind {
    /// The name in the configuration and in `payment_method`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mock => "mock",
        }
    }
}

impl Config {
    /// Checks what reading the values one by one does not.
    ///
    /// # Errors
    /// The first mistake, naming the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.gateway_timeout.is_zero() {
            return Err(ConfigError::new(
                "payment.gateway_timeout",
                "must be longer than 0",
            ));
        }
        // Otherwise every call would be cut off, and no payment ever settled.
        if self.mock.latency >= self.gateway_timeout {
            return Err(ConfigError::new(
                "payment.mock.latency",
                "must be shorter than payment.gateway_timeout",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use platform::config::{Source, load};

    use super::*;

    const YAML: &str = "
listen: 127.0.0.1:9006
database: sqlite://data/payment.db
gateway: mock
gateway_timeout: 2s
mock: { success_rate: 0.7, seed: 42, latency: 0ms, hang_rate: 0, lose_answer_rate: 0 }";

    fn read(more: &str) -> Result<Config, String> {
        let layers = [
            Source {
                name: "a",
                yaml: YAML,
            },
            Source {
                name: "b",
                yaml: more,
            },
        ];
        load(&layers, []).map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_section_reads() {
        let config = read("").unwrap();
        assert!(config.check().is_ok());
        assert_eq!(config.gateway.name(), "mock");
        assert_eq!(config.mock.success_rate, "0.7".parse().unwrap());
    }

    #[test]
    fn mistakes_name_their_key() {
        let cases = [
            ("gateway: alipay", "b: gateway: unknown variant"),
            (
                "mock: { success_rate: 1.5 }",
                "b: mock.success_rate: must be between 0 and 1",
            ),
            ("mock: { luck: 1 }", "b: mock.luck: unknown field"),
            (
                "gateway_timeout: soon",
                "b: gateway_timeout: must be a duration",
            ),
        ];
        for (yaml, start) in cases {
            let error = read(yaml).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn a_mock_slower_than_the_limit_is_refused() {
        for yaml in ["mock: { latency: 2s }", "gateway_timeout: 0s"] {
            let error = read(yaml).unwrap().check().unwrap_err();
            assert!(error.to_string().starts_with("payment."), "{error}");
        }
    }
}
