use std::time::Duration;

use redis::cmd;

use super::connection::{open_client, open_connection, probe, within};
use super::{RedisError, RedisUrl};

/// The oldest release whose behaviour is known.
const VERSION_MIN: (u32, u32) = (6, 0);
/// How long the server may take to answer INFO.
const INFO_LIMIT: Duration = Duration::from_secs(2);

/// What [`inspect`] found on a server that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The server's name and version: `Redis 7.0.15`.
    pub server: String,
    /// What is wrong with it, one line each; empty if nothing is.
    pub mistakes: Vec<String>,
    /// Its eviction policy, if that can evict keys without a TTL: fine for a cache, a mistake for data that
    /// must stay.
    pub evicts: Option<String>,
}

/// Looks at a server from outside: whether it answers, how old it is, whether it accepts and keeps writes.
/// Leaves nothing behind but a key that expires within a second.
///
/// # Errors
/// A server that does not answer, or denies access.
pub async fn inspect(url: &RedisUrl) -> Result<Inspection, RedisError> {
    let mut connection = open_connection(&open_client(url)?).await?;
    let info: String = within(INFO_LIMIT, cmd("INFO").query_async(&mut connection)).await?;
    let mut mistakes = find_mistakes(&info);
    if mistakes.is_empty()
        && let Err(error) = probe(&connection).await
    {
        mistakes.push(format!("takes no writes: {error}"));
    }
    let version = field(&info, "redis_version").unwrap_or("of unknown version");
    Ok(Inspection {
        server: format!("Redis {version}"),
        mistakes,
        evicts: find_eviction(&info),
    })
}

fn find_mistakes(info: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    let version = field(info, "redis_version").unwrap_or_default();
    let mut numbers = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let release = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if release < VERSION_MIN {
        let (major, minor) = VERSION_MIN;
        mistakes.push(format!("too old: {major}.{minor} or later is needed"));
    }
    if field(info, "role") == Some("slave") {
        let of = |name| field(info, name).unwrap_or("?");
        mistakes.push(format!(
            "takes no writes that last, for it is a replica: name its master {}:{}",
            of("master_host"),
            of("master_port")
        ));
    }
    mistakes
}

/// The eviction policy, if memory is bounded and keys without a TTL can be evicted.
fn find_eviction(info: &str) -> Option<String> {
    let policy = field(info, "maxmemory_policy")?;
    let is_bounded = field(info, "maxmemory")? != "0";
    (is_bounded && policy.starts_with("allkeys")).then(|| policy.to_owned())
}

/// The value of the line `name:VALUE` in an answer to INFO.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_forgetful_servers_are_found_out() {
        let fine =
            "# Server\r\nredis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert!(find_mistakes(fine).is_empty());
        assert_eq!(find_eviction(fine), None, "memory without a bound");
        let old = fine.replace("7.0.15", "5.0.7");
        assert!(find_mistakes(&old)[0].starts_with("too old"));
        let replica = format!("{fine}role:slave\r\nmaster_host:h\r\nmaster_port:7\r\n");
        assert!(find_mistakes(&replica)[0].ends_with("name its master h:7"));
        let full = fine.replace("maxmemory:0", "maxmemory:1000000");
        assert_eq!(find_eviction(&full).as_deref(), Some("allkeys-lru"));
        assert_eq!(find_eviction(&full.replace("allkeys", "volatile")), None);
    }
}
