//! Addresses of databases, Redis, services and agents.

use anyhow::ensure;
use platform::config::{CacheUrl, QueueUrl, ServiceUrl};
use platform::db::DatabaseUrl;
use platform::discovery::{Address, ConsulUrl};
use platform::redis::RedisUrl;

use super::Parser;

/// Stands where a password stands, and must never be shown.
const SECRET: &str = "s3cret";

pub(super) const ALL: &[Parser] = &[
    Parser {
        name: "database_url",
        read: database_url,
        words: &[
            "sqlite://data/order.db",
            "mysql://root:s3cret@127.0.0.1:3306/order_db",
            "mysql://",
            "?pool_min=1&require_ssl=true",
            "?",
            "/",
            "@",
            ":",
            "#",
            "%",
            "%20",
            "[::1]",
            "sqlite::memory:",
        ],
    },
    Parser {
        name: "redis_url",
        read: redis_url,
        words: &[
            "redis://h",
            "rediss://a:s3cret@h:1/2",
            "redis://:s3cret@h:1",
            "redis://a:s3cr%23et@[::1]:1",
            "redis+unix:///tmp/r",
            "?protocol=resp3",
            "memory",
            "embedded",
            "#insecure",
            "@",
            "/",
            ":",
            "%",
        ],
    },
    Parser {
        name: "service_url",
        read: service_url,
        words: &[
            "http://127.0.0.1:9003",
            "http://a:9003,http://b:9003",
            "consul://catalog",
            "consul://",
            "https://",
            ",",
            "/",
            ":0",
            ":65536",
            "[::1]:1",
            "@",
            " ",
            "中",
        ],
    },
    Parser {
        name: "address",
        read: address,
        words: &[
            "127.0.0.1:9003",
            "catalog:9003",
            "[::1]:1",
            "::1",
            "[",
            "]",
            ":",
            "%",
            "@",
            "/",
            "65535",
            ".",
        ],
    },
];

fn database_url(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    if let Ok(url) = text.parse::<DatabaseUrl>() {
        // The path of a file may hold anything; what else is shown is one line.
        let shown = url.to_string();
        let is_file = text.starts_with("sqlite://");
        ensure!(is_file || !shown.contains('\n'), "{shown:?}");
    }
    // Whatever stands around it, a password after the user's name is not told.
    let (user, rest) = text.split_once('@').unwrap_or(("root", &text));
    hides_password::<DatabaseUrl>(&format!("mysql://{user}:{SECRET}@{rest}"), user, rest)
}

fn redis_url(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    // A queue and a cache are read by the same rule.
    let redis = text.parse::<RedisUrl>().is_ok();
    ensure!(
        matches!(text.parse(), Ok(QueueUrl::Redis(_))) == redis,
        "{text:?}"
    );
    ensure!(
        matches!(text.parse(), Ok(CacheUrl::Redis(_))) == redis,
        "{text:?}"
    );
    let (user, rest) = text.split_once('@').unwrap_or(("", &text));
    hides_password::<RedisUrl>(&format!("redis://{user}:{SECRET}@{rest}"), user, rest)
}

fn hides_password<U>(text: &str, user: &str, rest: &str) -> anyhow::Result<()>
where
    U: std::str::FromStr<Err = String> + std::fmt::Display + std::fmt::Debug,
{
    if user.contains(SECRET) || rest.contains(SECRET) {
        return Ok(());
    }
    let told = match text.parse::<U>() {
        Ok(url) => format!("{url} {url:?}"),
        Err(why) => why,
    };
    ensure!(
        !told.contains(SECRET) && !told.contains('\n'),
        "{text:?} is told as {told:?}"
    );
    Ok(())
}

fn service_url(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    if let Ok(url) = text.parse::<ServiceUrl>() {
        let shown = url.to_string();
        ensure!(
            shown.parse::<ServiceUrl>().as_ref() == Ok(&url),
            "{text:?} is shown as {shown:?}"
        );
        if let ServiceUrl::At(addresses) = &url {
            ensure!(!addresses.is_empty());
        }
    }
    Ok(())
}

fn address(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    if let Ok(address) = text.parse::<Address>() {
        ensure!(address.as_str() == text);
        // What a client will make of it.
        let uri = format!("http://{address}").parse::<http::Uri>();
        let uri = uri.map_err(|why| anyhow::anyhow!("{text:?}: {why}"))?;
        ensure!(uri.port_u16().is_some_and(|port| port > 0), "{text:?}");
    }
    if let Some(address) = Address::new(&text, 9003) {
        ensure!(
            address.as_str().ends_with(":9003"),
            "{text:?} gives {address}"
        );
    }
    if let Ok(url) = text.parse::<ConsulUrl>() {
        ensure!(url.to_string().parse::<ConsulUrl>().as_ref() == Ok(&url));
    }
    Ok(())
}
