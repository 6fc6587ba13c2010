use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use redis::IntoConnectionInfo;
use serde::Deserialize;

use crate::tls::split_ca;
use crate::url_text::{CUT_PASSWORD, cuts_password, without_password};

/// What a URL must look like.
const FORM: &str = "must be redis://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER], or rediss:// for TLS";

/// Where a Redis server is: `redis://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER]`, or `rediss://…` for TLS;
/// the number is the database's, 0 where none is given. `rediss://…?ssl-ca=FILE` names a private authority.
///
/// Shown without its password, to people and in logs.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RedisUrl {
    /// As the driver reads it.
    driver: String,
    /// The file with the certificates of the only authority that is trusted.
    ca: Option<PathBuf>,
}

impl RedisUrl {
    /// Whether `text` is meant to be the URL of a Redis server, right or wrong.
    pub(crate) fn is_meant_by(text: &str) -> bool {
        text.starts_with("redis") && text.contains("://")
    }

    /// Whether the connection is encrypted.
    pub(super) fn is_tls(&self) -> bool {
        self.driver.starts_with("rediss://")
    }

    pub(super) fn as_str(&self) -> &str {
        &self.driver
    }

    pub(super) fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    // The text itself may hold a password and is not repeated in errors.
    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        // A fragment could only switch certificate verification off.
        if !matches!(scheme, Some("redis" | "rediss")) || text.contains('#') {
            return Err(FORM.to_owned());
        }
        // The driver would skip them, and the error would span two lines.
        if text.contains(char::is_control) {
            return Err(FORM.to_owned());
        }
        let (driver, ca) = split_ca(text).map_err(|mistake| format!("{FORM}: {mistake}"))?;
        if ca.is_some() && scheme != Some("rediss") {
            return Err(format!("{FORM}: ssl-ca is for rediss://"));
        }
        // The driver would read a part of the password as a port, a number or a parameter, and repeat it.
        if driver
            .split_once("://")
            .is_some_and(|(_, rest)| cuts_password(rest))
        {
            return Err(format!("{FORM}; {CUT_PASSWORD}"));
        }
        let info =
            driver
                .as_str()
                .into_connection_info()
                .map_err(|error| match error.detail() {
                    Some(detail) => format!("{FORM}: {detail}"),
                    None => FORM.to_owned(),
                })?;
        if info.redis_settings().db() < 0 {
            return Err(FORM.to_owned());
        }
        Ok(Self { driver, ca })
    }
}

impl TryFrom<String> for RedisUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.driver))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_never_show_a_password() {
        let fine = [
            ("redis://h", "redis://h"),
            ("redis://127.0.0.1:6379/3", "redis://127.0.0.1:6379/3"),
            ("redis://:s3cret@h:1", "redis://:***@h:1"),
            ("rediss://a:s3cret@h:1/2", "rediss://a:***@h:1/2"),
            ("redis://a:s3cr%23et@[::1]:1", "redis://a:***@[::1]:1"),
            ("redis://h?protocol=resp3", "redis://h"),
            ("rediss://:s3cret@h?ssl-ca=/etc/ca.pem", "rediss://:***@h"),
        ];
        for (text, shown) in fine {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
        let wrong = [
            "embedded",
            "redis:",
            "redis://",
            "redis+unix:///s3cret",
            "http://a:s3cret@h",
            "redis://a:s3cret@h/one",
            "redis://a:s3cret@h/-1",
            "redis://a:s3cret@h:port",
            "redis://a:1?s3cret@h",
            "redis://a:s3cret@h\n:1",
            "redis://a:1/s3cret@h",
            "redis://a:1?protocol=s3cret@h",
            "rediss://a:s3cret@h/#insecure",
            "redis://a:s3cret@h?ssl-ca=ca.pem",
            "rediss://a:s3cret@h?ssl-ca=",
        ];
        for text in wrong {
            let error = text.parse::<RedisUrl>().unwrap_err();
            assert!(error.starts_with("must be redis://"), "{text}: {error}");
            assert!(
                !error.contains("s3cret") && !error.contains('\n'),
                "{error}"
            );
        }
    }
}
