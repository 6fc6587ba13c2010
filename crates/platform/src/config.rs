//! Configuration: defaults, then a file, then the environment, merged as one tree and read as typed
//! structs. Every mistake is one line that names the key, and never repeats the value.

mod mistake;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::discovery::Address;
use crate::redis::RedisUrl;
use mistake::{EMPTY, Mistake};

/// Variables with these prefixes belong to the tests.
const FOREIGN_PREFIXES: [&str; 2] = ["BOOKSTORE_TEST_", "BOOKSTORE_REQUIRE_"];

/// A mistake in the configuration: one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct ConfigError {
    /// The file, the variable or the key.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

impl ConfigError {
    /// A mistake at `place`.
    pub fn new(place: impl Into<String>, reason: impl fmt::Display) -> Self {
        let reason = reason.to_string();
        let first_line = reason.lines().next().unwrap_or_default().to_owned();
        Self {
            place: escape_breaks(&place.into()),
            reason: first_line,
        }
    }
}

/// A key is whatever somebody wrote, line breaks and other control characters included.
fn escape_breaks(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// One variable of the environment: for tests, which are configured by nothing else.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads single variables"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A YAML text and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// How mistakes in it are named: a file's path.
    pub name: &'a str,
    /// The text.
    pub yaml: &'a str,
}

/// Reads `T` from `sources`, later ones over earlier ones, then from the variables of `environment`
/// that start with `BOOKSTORE_`, `__` between levels.
///
/// # Errors
/// The first mistake: text that is not YAML, an unknown key or variable, nothing where a value belongs, a
/// value of a wrong type.
pub fn load<T: DeserializeOwned>(
    sources: &[Source<'_>],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut tree = Value::Object(Map::new());
    let mut complete = false;
    for source in sources {
        let blame = |mistake: Mistake| {
            let place = format!("{}: {}", source.name, mistake.key);
            ConfigError::new(place, mistake.reason)
        };
        let layer: Option<Value> = serde_saphyr::from_str(source.yaml)
            .map_err(|error| ConfigError::new(source.name, error))?;
        merge(&mut tree, layer.unwrap_or(Value::Null), &mut Vec::new()).map_err(blame)?;
        // A layer over complete ones is checked at once, so that a mistake is blamed on its file.
        match read::<T>(tree.clone()) {
            Ok(_) => complete = true,
            Err(mistake) if complete => return Err(blame(mistake)),
            Err(_) => {}
        }
    }
    for (name, text) in environment {
        if let Some(path) = variable_path(&name) {
            tree = with_variable::<T>(&tree, &path, text.trim())
                .map_err(|reason| ConfigError::new(&name, reason))?;
        }
    }
    read(tree).map_err(|mistake| ConfigError::new(mistake.key, mistake.reason))
}

/// `tree` with a variable over it, by the first of its meanings that can be read.
fn with_variable<T: DeserializeOwned>(
    tree: &Value,
    path: &[String],
    text: &str,
) -> Result<Value, String> {
    // Whoever wrote `DATABASE=$URL` meant what is missing, and no default.
    let mut told = Mistake::empty(path);
    for value in meanings(text) {
        match with_value::<T>(tree, path, value) {
            Ok(tree) => return Ok(tree),
            // Of two meanings that are both wrong, the one that is of the right kind is the likelier.
            Err(mistake) if told.is_of_kind || told.reason == EMPTY => told = mistake,
            Err(_) => {}
        }
    }
    Err(told.reason)
}

fn with_value<T: DeserializeOwned>(
    tree: &Value,
    path: &[String],
    value: Value,
) -> Result<Value, Mistake> {
    let mut tree = tree.clone();
    merge(&mut tree, nested(path, value), &mut Vec::new())?;
    read::<T>(tree.clone())?;
    Ok(tree)
}

/// What the text of a variable can mean, likeliest first: itself, for a token of digits is no number and has
/// its zeros; else what YAML makes of it. Quotes around it are taken off, as files of variables have them.
fn meanings(text: &str) -> Vec<Value> {
    let itself = Value::String(text.to_owned());
    match serde_saphyr::from_str(text) {
        _ if text.is_empty() => Vec::new(),
        Ok(Value::String(inner)) if text.starts_with(['"', '\'']) => vec![Value::String(inner)],
        Ok(yaml) if yaml != itself => vec![itself, yaml],
        Ok(_) | Err(_) => vec![itself],
    }
}

/// `BOOKSTORE_ORDER__PAYMENT_TIMEOUT` is `[order, payment_timeout]`; `None` for what is not ours.
fn variable_path(name: &str) -> Option<Vec<String>> {
    let path = name.strip_prefix("BOOKSTORE_")?;
    if FOREIGN_PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix))
    {
        return None;
    }
    Some(path.split("__").map(str::to_ascii_lowercase).collect())
}

fn nested(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |inner, key| {
        Value::Object(Map::from_iter([(key.clone(), inner)]))
    })
}

/// Lays `over` over `under`. Nothing over a section leaves it as it is; nothing over a value is a mistake.
/// `path` leads to both.
fn merge(under: &mut Value, over: Value, path: &mut Vec<String>) -> Result<(), Mistake> {
    match (under, over) {
        // Nothing was there, so the key is unknown: that is found out when all is read.
        (Value::Object(_) | Value::Null, Value::Null) => {}
        (_, Value::Null) => return Err(Mistake::empty(path)),
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                path.push(key.clone());
                merge(under.entry(key).or_insert(Value::Null), value, path)?;
                path.pop();
            }
        }
        (under, over) => *under = over,
    }
    Ok(())
}

fn read<T: DeserializeOwned>(tree: Value) -> Result<T, Mistake> {
    serde_path_to_error::deserialize(tree).map_err(Mistake::from)
}

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

/// Where another service is: `http://HOST:PORT`, several of them with commas between, or
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

/// Durations as people write them: `15m`, `200ms`, `0ms`. For `#[serde(with = "human_duration")]`.
pub mod human_duration {
    use std::time::Duration;

    use super::{Deserialize, Deserializer};

    /// Reads a duration with its unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(|error| {
            serde::de::Error::custom(format!("must be a duration such as 15m or 200ms: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Root {
        locale: String,
        order: Order,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(with = "human_duration")]
        payment_timeout: Duration,
        rate: f64,
    }

    const DEFAULTS: Source<'_> = Source {
        name: "defaults",
        yaml: "locale: zh\norder: { payment_timeout: 15m, rate: 0.7 }",
    };

    fn load_with(yaml: &str, variables: &[(&str, &str)]) -> Result<Root, String> {
        let file = Source {
            name: "bookstore.yaml",
            yaml,
        };
        let variables = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        load(&[DEFAULTS, file], variables).map_err(|error| error.to_string())
    }

    #[test]
    fn a_service_is_at_addresses_or_under_a_name() {
        let cases = [
            ("http://a:9003", "http://a:9003"),
            ("http://a:9003/", "http://a:9003"),
            (
                "http://a:9003, http://[::1]:9003",
                "http://a:9003,http://[::1]:9003",
            ),
            ("consul://catalog", "consul://catalog"),
        ];
        for (text, shown) in cases {
            let url: ServiceUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
        }
        let bad = [
            "",
            "a:9003",
            "http://a",
            "https://a:1",
            "http://a:1,",
            "http://a:1,http://a:1",
            "http://a:1/x",
            "http://a:1,consul://b",
            "consul://",
            "consul://a/b",
            "consul://A",
        ];
        for bad in bad {
            assert!(bad.parse::<ServiceUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn later_layers_win_and_the_rest_stays() {
        let root = load_with(
            "order: { rate: 1 }",
            &[("BOOKSTORE_ORDER__PAYMENT_TIMEOUT", "5s")],
        );
        let order = Order {
            payment_timeout: Duration::from_secs(5),
            rate: 1.0,
        };
        assert_eq!(
            root,
            Ok(Root {
                locale: "zh".to_owned(),
                order
            })
        );
        assert!(load_with("", &[("HOME", "x"), ("BOOKSTORE_TEST_X", "y")]).is_ok());
    }

    #[test]
    fn queues_and_caches_are_named_by_a_word_or_a_url() {
        let url: RedisUrl = "rediss://a:s3cret@h:1/2".parse().unwrap();
        let text = "rediss://a:s3cret@h:1/2";
        assert_eq!("embedded".parse(), Ok(QueueUrl::Embedded));
        assert_eq!(text.parse(), Ok(QueueUrl::Redis(url.clone())));
        assert_eq!("memory".parse(), Ok(CacheUrl::Memory));
        assert_eq!(text.parse(), Ok(CacheUrl::Redis(url)));
        for wrong in ["s3cret", "http://a:s3cret@h", "redis://a:s3cret@h/x"] {
            let queue = wrong.parse::<QueueUrl>().unwrap_err();
            let cache = wrong.parse::<CacheUrl>().unwrap_err();
            for error in [queue, cache] {
                assert!(
                    error.starts_with("must be ") && error.contains("redis://"),
                    "{error}"
                );
                assert!(!error.contains("s3cret"), "{error}");
            }
        }
    }

    #[test]
    fn every_mistake_names_its_place() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let cases: [Case<'_>; 6] = [
            (
                "order: { rat: 1 }",
                &[],
                "bookstore.yaml: order.rat: unknown field `rat`",
            ),
            (
                "order: { payment_timeout: soon }",
                &[],
                "bookstore.yaml: order.payment_timeout: must be",
            ),
            ("order: [", &[], "bookstore.yaml: "),
            (
                "{ \"a\\nb\": 1 }",
                &[],
                "bookstore.yaml: a\\nb: unknown field `a",
            ),
            (
                "",
                &[("BOOKSTORE_ORDER__RATE", "lots")],
                "BOOKSTORE_ORDER__RATE: must be a number, not a text",
            ),
            (
                "",
                &[("BOOKSTORE_ODER__RATE", "1")],
                "BOOKSTORE_ODER__RATE: unknown field `oder`",
            ),
        ];
        for (yaml, variables, start) in cases {
            let error = load_with(yaml, variables).unwrap_err();
            assert!(error.starts_with(start), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
    #[test]
    fn what_is_empty_is_refused_and_no_default() {
        let refused = [
            ("BOOKSTORE_ORDER__RATE", ""),
            ("BOOKSTORE_ORDER__RATE", " \n"),
            ("BOOKSTORE_ORDER__RATE", "~"),
            ("BOOKSTORE_LOCALE", ""),
            ("BOOKSTORE_ORDER", ""),
        ];
        for (name, text) in refused {
            let error = load_with("", &[(name, text)]).unwrap_err();
            assert_eq!(error, format!("{name}: is empty"));
        }
        for (yaml, key) in [
            ("locale:", "locale"),
            ("order: { rate: }", "order.rate"),
            ("order: { payment_timeout: null }", "order.payment_timeout"),
        ] {
            let error = load_with(yaml, &[]).unwrap_err();
            assert_eq!(error, format!("bookstore.yaml: {key}: is empty"));
        }
        assert!(load_with("order:", &[]).is_ok());
        let text = load_with("locale: ''", &[]).unwrap();
        assert_eq!(text.locale, "");
        let quoted = load_with("", &[("BOOKSTORE_LOCALE", "''")]).unwrap();
        assert_eq!(quoted.locale, "");
    }

    #[test]
    fn a_text_of_a_variable_stays_as_it_stands() {
        for text in [
            "00123", "1e3", "0x10", "true", "null", "~", "no", "[a]", "a # b",
        ] {
            let root = load_with("", &[("BOOKSTORE_LOCALE", text)]).unwrap();
            assert_eq!(root.locale, text);
        }
        // As files of variables have it, and secrets with the line break behind them.
        for text in ["'00123'", "\"00123\"", "00123\n"] {
            let root = load_with("", &[("BOOKSTORE_LOCALE", text)]).unwrap();
            assert_eq!(root.locale, "00123");
        }
        let section = load_with("", &[("BOOKSTORE_ORDER", "{ rate: 1 }")]).unwrap();
        assert_eq!(section.order.rate.to_string(), "1");
    }

    #[test]
    fn no_mistake_repeats_what_was_given() {
        let url = "mysql://root:s3cret@db/order_db";
        let cases = [
            ("BOOKSTORE_ORDER", "must be a section, not a text"),
            ("BOOKSTORE_ORDER__RATE", "must be a number, not a text"),
            ("BOOKSTORE_ORDER__PAYMENT_TIMEOUT", "must be a duration"),
        ];
        for (name, reason) in cases {
            let error = load_with("", &[(name, url)]).unwrap_err();
            assert!(error.starts_with(&format!("{name}: {reason}")), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        for yaml in [
            format!("order: {url}"),
            format!("order: [{url}]"),
            format!("order: {{ rate: '{url}' }}"),
            format!("order: {{ rate: ['{url}'] }}"),
            format!("order: {{ {url} }}"),
            format!("order: {url}: 1"),
            format!("order: {{ '{url}': 1 }}"),
            "order: *s3cret".to_owned(),
            "order: !s3cret x".to_owned(),
            "order: \"\\s3cret\"".to_owned(),
            format!("order: \"{url}"),
            url.to_owned(),
        ] {
            let error = load_with(&yaml, &[]).unwrap_err();
            assert!(error.starts_with("bookstore.yaml: "), "{error}");
            assert!(!error.contains("s3cret"), "{yaml}: {error}");
        }
    }
}
