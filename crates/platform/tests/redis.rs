//! Proves that a Redis server that is away, frozen, full or read-only is left alone, that it is used
//! again once it is well, and that mistakes in a URL are one line.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::Command;

use platform::redis::{Redis, RedisError, RedisUrl, cmd, inspect};
use testkit::eventually;
use testkit::servers::RedisServer;

const PURPOSE: &str = "test";

async fn set(redis: &Redis, value: i64) -> Result<(), RedisError> {
    redis.call(cmd("SET").arg("key").arg(value)).await
}

async fn get(redis: &Redis) -> Result<Option<i64>, RedisError> {
    redis.call(cmd("GET").arg("key")).await
}

/// Asks until Redis is known to be away: then nobody waits for it.
async fn until_left_alone(redis: &Redis) {
    eventually("Redis is left alone", async || {
        (set(redis, 1).await == Err(RedisError::Resting)).then_some(())
    })
    .await;
}

async fn until_back(redis: &Redis) {
    eventually("Redis is used again", async || set(redis, 1).await.ok()).await;
}

/// What a start says of a server that it cannot use.
async fn mistake(url: &str) -> String {
    let url: RedisUrl = url.parse().unwrap();
    let Err(error) = Redis::connect(&url, PURPOSE).await else {
        panic!("{url} was taken");
    };
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains("s3cret"), "{line}");
    line
}

#[tokio::test]
async fn a_server_that_was_killed_is_left_alone_until_it_is_back() -> anyhow::Result<()> {
    let Some(mut server) = RedisServer::start().await? else {
        return Ok(());
    };
    let redis = Redis::connect(&server.parsed_url()?, PURPOSE).await?;
    set(&redis, 7).await?;
    assert_eq!(get(&redis).await?, Some(7));

    server.stop()?;
    assert!(matches!(set(&redis, 8).await, Err(RedisError::Lost(_))));
    until_left_alone(&redis).await;
    server.restart().await?;
    until_back(&redis).await;
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_is_left_alone_until_it_goes_on() -> anyhow::Result<()> {
    let Some(mut server) = RedisServer::start().await? else {
        return Ok(());
    };
    let redis = Redis::connect(&server.parsed_url()?, PURPOSE).await?;
    server.freeze()?;
    // All who wait give up at the same limit; whoever comes later does not wait at all.
    let (first, second) = tokio::join!(set(&redis, 1), get(&redis));
    assert!(matches!(first, Err(RedisError::Lost(_))), "{first:?}");
    assert!(matches!(second, Err(RedisError::Lost(_))), "{second:?}");
    assert_eq!(set(&redis, 2).await, Err(RedisError::Resting));
    server.thaw()?;
    until_back(&redis).await;
    Ok(())
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_left_alone_until_it_does() -> anyhow::Result<()> {
    let Some(server) = RedisServer::start().await? else {
        return Ok(());
    };
    let states: [[&[&str]; 2]; 2] = [
        [
            &["REPLICAOF", "127.0.0.1", "1"],
            &["REPLICAOF", "NO", "ONE"],
        ],
        [
            &["CONFIG", "SET", "maxmemory", "1"],
            &["CONFIG", "SET", "maxmemory", "0"],
        ],
    ];
    for [bad, good] in states {
        let redis = Redis::connect(&server.parsed_url()?, PURPOSE).await?;
        let _done: String = server.call(bad).await?;
        until_left_alone(&redis).await;
        let found = inspect(&server.parsed_url()?).await?;
        assert!(
            found
                .mistakes
                .iter()
                .any(|line| line.starts_with("takes no writes"))
        );
        // A start in this state is no mistake: what Redis is for goes on without it.
        let late = Redis::connect(&server.parsed_url()?, PURPOSE).await?;
        assert_eq!(set(&late, 1).await, Err(RedisError::Resting));

        let _done: String = server.call(good).await?;
        until_back(&redis).await;
        until_back(&late).await;
    }
    let found = inspect(&server.parsed_url()?).await?;
    assert!(
        found.server.starts_with("Redis ") && found.mistakes.is_empty(),
        "{found:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_refused_command_is_no_reason_to_leave_the_server_alone() -> anyhow::Result<()> {
    let Some(server) = RedisServer::start().await? else {
        return Ok(());
    };
    let redis = Redis::connect(&server.parsed_url()?, PURPOSE).await?;
    set(&redis, 1).await?;
    let wrong: Result<(), _> = redis.call(cmd("LPUSH").arg("key").arg(1)).await;
    assert!(matches!(wrong, Err(RedisError::Refused(_))), "{wrong:?}");
    assert_eq!(get(&redis).await?, Some(1));
    Ok(())
}

#[tokio::test]
async fn passwords_and_database_numbers_are_taken_from_the_url() -> anyhow::Result<()> {
    let Some(server) = RedisServer::start_with(&["--requirepass", "s3cret#1"]).await? else {
        return Ok(());
    };
    let place = server.url().trim_start_matches("redis://").to_owned();
    let at = |number: u32| format!("redis://:s3cret%231@{place}/{number}").parse::<RedisUrl>();
    let first = Redis::connect(&at(0).unwrap(), PURPOSE).await?;
    let second = Redis::connect(&at(1).unwrap(), PURPOSE).await?;
    set(&first, 1).await?;
    assert_eq!(get(&second).await?, None);

    assert!(
        mistake(&format!("redis://:s3cret@{place}"))
            .await
            .contains("assword")
    );
    assert!(
        mistake(&format!("redis://{place}"))
            .await
            .contains("NOAUTH")
    );
    assert!(
        mistake(&format!("redis://:s3cret%231@{place}/99"))
            .await
            .contains("out of range")
    );
    mistake(&format!("rediss://:s3cret%231@{place}")).await;
    drop(server);
    mistake(&format!("redis://{place}")).await;
    Ok(())
}

/// Names the address of a server with TLS to the test below, in a process of its own.
const TLS_URL: &str = "BOOKSTORE_TEST_REDIS_TLS_URL";

#[tokio::test]
async fn tls_takes_certificates_that_are_trusted_and_no_others() -> anyhow::Result<()> {
    if let Some(url) = platform::config::variable(TLS_URL) {
        // This is the process that trusts the certificate.
        let redis = Redis::connect(&url.parse().unwrap(), PURPOSE).await?;
        set(&redis, 7).await?;
        assert_eq!(get(&redis).await?, Some(7));
        return Ok(());
    }
    let folder = testkit::temp_dir()?;
    let (key, certificate) = (folder.path().join("key"), folder.path().join("certificate"));
    if !make_certificate(folder.path(), &key, &certificate)? {
        return Ok(());
    }
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .port();
    let tls = format!(
        "--tls-port {port} --tls-auth-clients no --tls-cert-file {} --tls-key-file {}",
        certificate.display(),
        key.display()
    );
    let words: Vec<_> = tls.split(' ').collect();
    let Some(_server) = RedisServer::start_with(&words).await? else {
        return Ok(());
    };
    let url = format!("rediss://localhost:{port}");
    assert!(mistake(&url).await.to_lowercase().contains("certificate"));
    let trusting = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "tls_takes_certificates_that_are_trusted_and_no_others",
        ])
        .env("SSL_CERT_FILE", &certificate)
        .env(TLS_URL, &url)
        .output()?;
    let told = String::from_utf8_lossy(&trusting.stdout);
    assert!(
        trusting.status.success() && told.contains("1 passed"),
        "{told}"
    );
    Ok(())
}

/// A certificate for localhost that vouches for itself; `false` where nothing can make one.
fn make_certificate(folder: &Path, key: &Path, certificate: &Path) -> anyhow::Result<bool> {
    let config = folder.join("config");
    std::fs::write(
        &config,
        "[req]\ndistinguished_name=name\nx509_extensions=more\nprompt=no\n[name]\nCN=localhost\n\
         [more]\nsubjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n",
    )?;
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .arg("-config")
        .arg(&config)
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output();
    match made {
        Ok(made) if made.status.success() => Ok(true),
        Ok(made) => anyhow::bail!("openssl: {}", String::from_utf8_lossy(&made.stderr)),
        Err(_) => {
            testkit::servers::left_out("openssl");
            Ok(false)
        }
    }
}
