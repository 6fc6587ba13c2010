//! Configuration: defaults, then a file, then the environment, merged as one tree and read as typed
//! structs. Every mistake is one line that names the key, and never repeats the value.

mod mistake;
mod url;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use mistake::{EMPTY, Mistake};
pub use url::{CacheUrl, QueueUrl, ServiceUrl};

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

/// Keys are a user's text and may hold line breaks and other control characters.
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
    /// Its name in error messages: a file's path.
    pub name: &'a str,
    /// The text.
    pub yaml: &'a str,
}

/// Reads `T` from `sources`, later ones overriding earlier ones, then from the variables of
/// `environment` that start with `BOOKSTORE_`, with `__` between levels.
///
/// # Errors
/// The first mistake: text that is not YAML, an unknown key or variable, an empty value, a value of the
/// wrong type.
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
        // A layer over a complete tree is checked at once, so that a mistake is blamed on its file.
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

/// `tree` overridden by a variable, in the first of its meanings that can be read.
fn with_variable<T: DeserializeOwned>(
    tree: &Value,
    path: &[String],
    text: &str,
) -> Result<Value, String> {
    // `DATABASE=$URL` with an unset `URL` is a mistake, not a request for the default.
    let mut told = Mistake::empty(path);
    for value in meanings(text) {
        match with_value::<T>(tree, path, value) {
            Ok(tree) => return Ok(tree),
            // If no meaning can be read, the one of the right type is the likelier.
            Err(mistake) if told.is_of_wrong_kind || told.reason == EMPTY => told = mistake,
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

/// What the text of a variable can mean, likeliest first: the text itself (so that a token of digits keeps
/// its leading zeros), then what YAML makes of it. Quotes around it, as env files have them, are stripped.
fn meanings(text: &str) -> Vec<Value> {
    let itself = Value::String(text.to_owned());
    match serde_saphyr::from_str(text) {
        _ if text.is_empty() => Vec::new(),
        Ok(Value::String(inner)) if text.starts_with(['"', '\'']) => vec![Value::String(inner)],
        Ok(yaml) if yaml != itself => vec![itself, yaml],
        Ok(_) | Err(_) => vec![itself],
    }
}

/// `BOOKSTORE_ORDER__PAYMENT_TIMEOUT` is `[order, payment_timeout]`; `None` for any other variable.
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

/// Merges `over` into `under`. A null over a section leaves it as it is; a null over a value is a mistake.
/// `path` leads to both.
fn merge(under: &mut Value, over: Value, path: &mut Vec<String>) -> Result<(), Mistake> {
    match (under, over) {
        // A key that is missing in `under` is unknown, which is found out when the whole tree is read.
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

/// Durations as people write them: `15m`, `200ms`, `0ms`. For `#[serde(with = "human_duration")]`.
pub mod human_duration {
    use std::time::Duration;

    use super::{Deserialize, Deserializer};

    /// Reads a duration with its unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map_err(serde::de::Error::custom)
    }

    /// Reads a duration with its unit.
    ///
    /// # Errors
    /// What it must be, and why it is not that.
    pub fn parse(text: &str) -> Result<Duration, String> {
        humantime::parse_duration(text)
            .map_err(|error| format!("must be a duration such as 15m or 200ms: {error}"))
    }
}

#[cfg(test)]
mod tests;
