//! URLs in settings: of services, of the delay queue, of the cache.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;

use crate::discovery::Address;
use crate::redis::RedisUrl;

macro_rules! from_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
    };
}

/// Where another service is: `http://HOST:PORT`, several of them separated by commas, or
/// `consul://NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ServiceUrl {
    /// At these addresses; at least one, none of them twice.
    At(Arc<[Address]>),
    /// Wherever the registry knows instances of that name.
    Named(String),
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(addresses) => {
                let urls: Vec<_> = addresses.iter().map(|a| format!("http://{a}")).collect();
                f.write_str(&urls.join(","))
            }
            Self::Named(service) => write!(f, "consul://{service}"),
        }
    }
}

impl FromStr for ServiceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("consul://") {
            return read_service_name(name);
        }
        let address = |url: &str| {
            let rest = url.trim().strip_prefix("http://")?;
            rest.strip_suffix('/')
                .unwrap_or(rest)
                .parse::<Address>()
                .ok()
        };
        let addresses: Option<Vec<_>> = text.split(',').map(address).collect();
        let addresses = addresses.ok_or_else(|| {
            "must be http://HOST:PORT, several of them with commas between, or consul://NAME"
                .to_owned()
        })?;
        let is_repeated = |(place, address)| addresses[..place].contains(address);
        if addresses.iter().enumerate().any(is_repeated) {
            return Err("names an address twice".to_owned());
        }
        Ok(Self::At(addresses.into()))
    }
}

fn read_service_name(name: &str) -> Result<ServiceUrl, String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&name.len()) && name.bytes().all(is_plain) {
        Ok(ServiceUrl::Named(name.to_owned()))
    } else {
        Err("consul:// is followed by a service's name, as consul://catalog".to_owned())
    }
}
from_text!(ServiceUrl);

/// Where the delay queue is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum QueueUrl {
    /// In the order service's own memory, refilled from its database.
    Embedded,
    /// In Redis, shared by all replicas.
    Redis(RedisUrl),
}

impl FromStr for QueueUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "embedded" => Ok(Self::Embedded),
            url if RedisUrl::is_meant_by(url) => url.parse().map(Self::Redis),
            _ => Err("must be embedded or redis://HOST:PORT".to_owned()),
        }
    }
}
from_text!(QueueUrl);

/// Where books are cached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum CacheUrl {
    /// In the catalog's own memory.
    Memory,
    /// In Redis too, behind the catalog's own memory, shared by all replicas.
    Redis(RedisUrl),
}

impl FromStr for CacheUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(Self::Memory),
            url if RedisUrl::is_meant_by(url) => url.parse().map(Self::Redis),
            _ => Err("must be memory or redis://HOST:PORT".to_owned()),
        }
    }
}
from_text!(CacheUrl);
