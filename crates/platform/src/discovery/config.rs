use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::Address;

/// The root key `discovery`: how services find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// By the addresses that the configuration names.
    Static,
    /// By name, through Consul, where each instance registers itself.
    Consul,
}

/// The section `consul`; ignored if `discovery` is `static`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsulConfig {
    /// Where the agent answers HTTP.
    pub address: ConsulUrl,
    /// The ACL token; empty where the agent wants none.
    pub token: Secret,
}

/// Where a Consul agent answers: `http://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ConsulUrl(Address);

impl ConsulUrl {
    /// The agent at `address`.
    pub const fn at(address: Address) -> Self {
        Self(address)
    }

    /// The agent's host and port.
    pub const fn address(&self) -> &Address {
        &self.0
    }
}

impl FromStr for ConsulUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://");
        rest.and_then(|rest| rest.trim_end_matches('/').parse().ok())
            .map(Self)
            .ok_or_else(|| "must be http://HOST:PORT".to_owned())
    }
}

impl TryFrom<String> for ConsulUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for ConsulUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// A text that is never shown: neither by `Debug` nor in a configuration error.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the request that must carry it; `None` if it is empty.
    pub(crate) fn reveal(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Accepts only a text: YAML reads an unquoted token of digits as a number, without its leading zeros.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(_) | Value::Bool(_) => {
                Err(de::Error::custom("must be a text: put it in quotes"))
            }
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(de::Error::custom("must be a text"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, load};

    fn read(yaml: &str, token: Option<&str>) -> Result<ConsulConfig, String> {
        let source = Source {
            name: "bookstore.yaml",
            yaml,
        };
        let variables = token.map(|token| ("BOOKSTORE_TOKEN".to_owned(), token.to_owned()));
        load(&[source], variables).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_is_read_and_never_shown() {
        let yaml = "{ address: 'http://127.0.0.1:8500', token: plain-token }";
        let config = read(yaml, None).unwrap();
        assert_eq!(config.token.reveal(), Some("plain-token"));
        assert!(!format!("{config:?}").contains("plain-token"));
        let digits = read(yaml, Some("4711")).unwrap();
        assert_eq!(digits.token.reveal(), Some("4711"));
        let zeros = read(yaml, Some("00123")).unwrap();
        assert_eq!(zeros.token.reveal(), Some("00123"));
        for (token, reason) in [
            ("[s3cret]", "must be a text"),
            ("00123", "must be a text: put it in quotes"),
        ] {
            let yaml = format!("{{ address: 'http://127.0.0.1:8500', token: {token} }}");
            let mistake = read(&yaml, None).unwrap_err();
            assert_eq!(mistake, format!("token: {reason}"));
        }
        let none = read("{ address: 'http://127.0.0.1:8500', token: '' }", None).unwrap();
        assert_eq!(none.token.reveal(), None);
    }

    #[test]
    fn an_agent_is_at_a_host_and_a_port() {
        let url: ConsulUrl = "http://consul:8500/".parse().unwrap();
        assert_eq!(url.to_string(), "http://consul:8500");
        for bad in [
            "consul:8500",
            "https://consul:8500",
            "http://consul",
            "http://c:8500/v1",
        ] {
            assert!(bad.parse::<ConsulUrl>().is_err(), "{bad}");
        }
    }
}
