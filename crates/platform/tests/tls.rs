//! Proves, on MariaDB and on Redis: `ssl-ca=FILE` in a URL encrypts the connection to a server of that
//! private authority; a server of another authority or under another host name is refused, and so are a
//! MariaDB without TLS and a file without certificates, each by a line that says what is wrong.

use anyhow::{Context, ensure};
use platform::args;
use platform::db::{Database, DatabaseOptions, DatabaseUrl, DbError, Migration};
use platform::redis::{Redis, cmd};
use testkit::servers::{Authority, MysqlServer, RedisServer};

const MIGRATIONS: &[Migration] = &[];

/// A server's authority, and another one.
fn authorities() -> anyhow::Result<Option<[Authority; 2]>> {
    let (Some(own), Some(other)) = (Authority::new()?, Authority::new()?) else {
        return Ok(None);
    };
    Ok(Some([own, other]))
}

async fn open(url: &str) -> Result<Database, DbError> {
    let url: DatabaseUrl = url.parse().map_err(DbError::Broken)?;
    Database::open(&url, MIGRATIONS, DatabaseOptions::default()).await
}

/// What a start says of a database that it cannot use.
async fn mysql_mistake(url: &str) -> anyhow::Result<String> {
    let Err(error) = open(url).await else {
        anyhow::bail!("{url} was taken");
    };
    one_line(error.to_string())
}

/// What a start says of a Redis that it cannot use.
async fn redis_mistake(url: &str) -> anyhow::Result<String> {
    let url = url.parse().map_err(anyhow::Error::msg)?;
    let Err(error) = Redis::connect(&url, "test").await else {
        anyhow::bail!("{url} was taken");
    };
    one_line(error.to_string())
}

fn one_line(text: String) -> anyhow::Result<String> {
    ensure!(!text.contains('\n'), "{text}");
    Ok(text)
}

/// URLs that do not lead to the server at `port` on localhost, and what is said of each.
fn refusals(
    scheme: &str,
    port: &str,
    path: &str,
    authorities: &[Authority; 2],
) -> Vec<(String, &'static str)> {
    let [own, other] = authorities;
    let url = |host: &str, ca: &std::path::Path| {
        format!("{scheme}://{host}:{port}{path}?ssl-ca={}", ca.display())
    };
    let key = own.key();
    vec![
        (
            url("localhost", &other.ca()),
            "an authority that is not trusted here",
        ),
        (url("127.0.0.1", &own.ca()), "another host name"),
        (
            url("localhost", &key.with_extension("none")),
            "cannot be read",
        ),
        (url("localhost", &key), "holds no certificate"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_a_private_authority_is_reached_by_tls_alone() -> anyhow::Result<()> {
    let Some(authorities) = authorities()? else {
        return Ok(());
    };
    let own = &authorities[0];
    let arguments = [
        ("cert", own.certificate()),
        ("key", own.key()),
        ("ca", own.ca()),
    ]
    .map(|(name, path)| format!("--ssl-{name}={}", path.display()));
    let Some(server) = MysqlServer::start_with(&arguments.each_ref().map(|a| &**a)).await? else {
        return Ok(());
    };
    server
        .execute("CREATE DATABASE safe CHARACTER SET utf8mb4")
        .await?;
    let port = server.address().rsplit(':').next().context("no port")?;
    let good = format!(
        "mysql://root@localhost:{port}/safe?ssl-ca={}",
        own.ca().display()
    );

    let database = open(&good).await?;
    let cipher = database
        .read("cipher", |tx| {
            Box::pin(async move { tx.query("SHOW STATUS LIKE 'Ssl_cipher'", args![]).await })
        })
        .await?;
    ensure!(!cipher[0].text(1)?.is_empty(), "it is encrypted");
    database.close().await;

    for (url, reason) in refusals("mysql", port, "/safe", &authorities)
        .into_iter()
        .chain([(
            format!("mysql://localhost:{port}/safe?require_ssl=true"),
            "an authority that is not trusted here",
        )])
    {
        let mistake = mysql_mistake(&url.replace("mysql://", "mysql://root@")).await?;
        ensure!(mistake.contains(reason), "{url}: {mistake}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_tls_is_refused_where_tls_is_asked_for() -> anyhow::Result<()> {
    let Some([own, _]) = authorities()? else {
        return Ok(());
    };
    let Some(server) = MysqlServer::start_with(&["--skip-ssl"]).await? else {
        return Ok(());
    };
    let url = format!(
        "mysql://root@{}/mysql?ssl-ca={}",
        server.address(),
        own.ca().display()
    );
    let mistake = mysql_mistake(&url).await?;
    ensure!(mistake.contains("SSL"), "{mistake}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_with_a_private_authority_is_reached_by_tls_alone() -> anyhow::Result<()> {
    let Some(authorities) = authorities()? else {
        return Ok(());
    };
    let own = &authorities[0];
    let (certificate, key) = (own.certificate(), own.key());
    let arguments = format!(
        "--port 0 --tls-port PORT --tls-auth-clients no --tls-cert-file {} --tls-key-file {}",
        certificate.display(),
        key.display()
    );
    let words: Vec<_> = arguments.split(' ').collect();
    let Some(server) = RedisServer::start_with(&words).await? else {
        return Ok(());
    };
    let port = server.url().rsplit(':').next().context("no port")?;
    let good = format!("rediss://localhost:{port}?ssl-ca={}", own.ca().display());
    let redis = Redis::connect(&good.parse().map_err(anyhow::Error::msg)?, "test").await?;
    redis.call::<()>(cmd("SET").arg("key").arg(7)).await?;
    ensure!(redis.call::<i64>(cmd("GET").arg("key")).await? == 7);

    for (url, reason) in refusals("rediss", port, "", &authorities) {
        let mistake = redis_mistake(&url).await?;
        ensure!(mistake.contains(reason), "{url}: {mistake}");
    }
    redis_mistake(&format!("redis://localhost:{port}")).await?;
    Ok(())
}
