//! Proves: `bookstore doctor` names mistakes in a database's or a Redis' address, rights and
//! settings in the line of their key, says what to do, gives no password away and ends with code 2; a
//! start that would fail of the same mistake says the same. It tells a port that is free from one that
//! is served or taken, and names services elsewhere that nobody serves.
//!
//! Where MariaDB or Redis is not installed its part is left out, with a clear line.

use std::net::TcpListener;

use anyhow::ensure;
use bookstore_e2e::{Layout, Service, Shop};
use testkit::servers::{FakeMysql, MysqlServer, RedisServer};

/// What `doctor` says with one setting, and how it ends.
struct Examined {
    shop: Shop,
    /// The setting, as in `catalog.database`.
    key: &'static str,
    line: String,
}

impl Examined {
    async fn new(key: &'static str, value: &str, code: i32) -> anyhow::Result<Self> {
        let plan = Shop::plan().set("TELEMETRY__LOG", "warn");
        let mut shop = Shop::closed(plan, Layout::Together)?;
        shop.set(&key.to_uppercase().replace('.', "__"), value);
        let report = shop.run(&["doctor"]).await?.expect_code(code)?.stdout;
        ensure!(!report.contains("s3cret"), "{report}");
        let mut lines = report.lines();
        let line = lines.find(|line| line.contains(key)).unwrap_or_default();
        let line = line.to_owned();
        Ok(Self { shop, key, line })
    }

    /// The line is bad, and says all of `words`.
    fn says(&self, words: &[&str]) -> anyhow::Result<()> {
        let is_named = words.iter().all(|word| self.line.contains(word));
        ensure!(
            self.line.starts_with("BAD") && is_named,
            "{words:?} is not in: {}",
            self.line
        );
        Ok(())
    }

    /// A start is refused for the same reason, in one line.
    async fn start_says(&self, words: &[&str]) -> anyhow::Result<()> {
        let ran = self.shop.run(&["up"]).await?.expect_code(2)?;
        let line = ran.stderr.trim_end();
        let is_named = words.iter().all(|word| line.contains(word));
        ensure!(
            line.lines().count() == 1 && line.contains(self.key) && is_named,
            "{words:?} is not in: {line}"
        );
        ensure!(!line.contains("s3cret"), "{line}");
        Ok(())
    }
}

/// `doctor` and a start name the mistake in a database's URL.
async fn refused(url: &str, words: &[&str]) -> anyhow::Result<()> {
    let examined = Examined::new("catalog.database", url, 2).await?;
    examined.says(words)?;
    examined.start_says(words).await
}

#[tokio::test]
async fn mistakes_about_a_mysql_server_are_named() -> anyhow::Result<()> {
    // A server with other ideas about strictness and text than ours, neither of which matters.
    let lax = ["--sql-mode=", "--character-set-server=latin1"];
    let Some(server) = MysqlServer::start_with(&lax).await? else {
        return Ok(());
    };
    for statement in [
        "CREATE DATABASE good CHARACTER SET utf8mb4",
        "CREATE DATABASE latin",
        "CREATE USER 'shop'@'%' IDENTIFIED BY 's3cret'",
        "GRANT ALL ON good.* TO 'shop'@'%'",
        "GRANT ALL ON latin.* TO 'shop'@'%'",
    ] {
        server.execute(statement).await?;
    }
    let at = |user: &str, database: &str| format!("mysql://{user}@{}/{database}", server.address());
    let good = at("shop:s3cret", "good");
    let examined = Examined::new("catalog.database", &good, 0).await?;
    ensure!(examined.line.starts_with('-'), "{}", examined.line);
    examined.shop.run(&["migrate"]).await?.expect_code(0)?;
    let examined = Examined::new("catalog.database", &good, 0).await?;
    ensure!(examined.line.starts_with("ok"), "{}", examined.line);

    // All steps are applied, and only the row that commits write for the sake of the log is gone.
    server.execute("DELETE FROM good.commit_barrier").await?;
    let examined = Examined::new("catalog.database", &good, 0).await?;
    let is_named = examined.line.contains("row of commit_barrier is missing");
    ensure!(
        examined.line.starts_with('-') && is_named,
        "{}",
        examined.line
    );
    examined.shop.run(&["migrate"]).await?.expect_code(0)?;
    let examined = Examined::new("catalog.database", &good, 0).await?;
    ensure!(examined.line.starts_with("ok"), "{}", examined.line);

    let password = "wrong user or password";
    refused(&at("shop:s3cret2", "good"), &["Access denied", password]).await?;
    refused(&at("nobody:s3cret", "good"), &["Access denied", password]).await?;
    let absent = ["Unknown database 'nowhere'", "CHARACTER SET utf8mb4"];
    refused(&at("root", "nowhere"), &absent).await?;
    refused(&at("shop:s3cret", "mysql"), &["Access denied", "grant"]).await?;

    // Rights on some tables are not a schema that is behind.
    server
        .execute("CREATE USER 'narrow'@'%' IDENTIFIED BY 's3cret'")
        .await?;
    server
        .execute("GRANT SELECT ON good.books TO 'narrow'@'%'")
        .await?;
    let narrow = at("narrow:s3cret", "good");
    let examined = Examined::new("catalog.database", &narrow, 2).await?;
    examined.says(&["denied", "schema_migrations", "grant"])?;

    server
        .execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        .await?;
    refused(
        &good,
        &["innodb_flush_log_at_trx_commit is 2", "set it to 1"],
    )
    .await?;
    server
        .execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        .await?;

    // A start is not stopped by these: its own tables spell their character set.
    let latin = at("shop:s3cret", "latin");
    let examined = Examined::new("catalog.database", &latin, 2).await?;
    examined.says(&[
        "character set is latin1",
        "ALTER DATABASE latin CHARACTER SET utf8mb4",
    ])?;
    server
        .execute("ALTER TABLE good.books MODIFY author VARCHAR(100) CHARACTER SET latin1 NOT NULL")
        .await?;
    let examined = Examined::new("catalog.database", &good, 2).await?;
    examined.says(&["books.author is latin1"])
}

#[tokio::test]
async fn a_binary_log_that_a_power_cut_shortens_is_named() -> anyhow::Result<()> {
    // MariaDB's default.
    let arguments = ["--log-bin", "--binlog-format=ROW", "--sync-binlog=0"];
    let Some(server) = MysqlServer::start_with(&arguments).await? else {
        return Ok(());
    };
    let url = server.new_database_setting().await?;
    refused(&url, &["sync_binlog is 0", "set it to 1"]).await?;
    server.execute("SET GLOBAL sync_binlog = 1").await?;
    let examined = Examined::new("catalog.database", &url, 0).await?;
    ensure!(examined.line.starts_with('-'), "{}", examined.line);
    Ok(())
}

#[tokio::test]
async fn an_address_without_a_mysql_server_is_named() -> anyhow::Result<()> {
    let silent = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("mysql://root:s3cret@{}/catalog_db", silent.local_addr()?);
    refused(&url, &["no connection within 3 s"]).await?;
    drop(silent);
    refused(&url, &["no server answers there", "refused"]).await
}

#[tokio::test]
async fn an_old_server_and_one_that_does_not_obey_are_named() -> anyhow::Result<()> {
    let obedient = [
        ("sql_mode", "STRICT_ALL_TABLES"),
        ("time_zone", "+00:00"),
        ("character_set_connection", "utf8mb4"),
        ("innodb_flush_log_at_trx_commit", "1"),
        ("log_bin", "0"),
    ];
    for (version, words) in [
        ("5.7.44", ["MySQL 5.7.44 is too old", "8.0 or later"]),
        (
            "5.5.5-10.3.39-MariaDB",
            ["MariaDB 10.3.39 is too old", "10.6 or later"],
        ),
    ] {
        let settings = [&[("version", version)][..], &obedient].concat();
        let server = FakeMysql::start(&settings).await?;
        refused(&server.url(), &words).await?;
    }
    let server = FakeMysql::start(&[
        ("version", "8.0.36"),
        ("sql_mode", "NO_ENGINE_SUBSTITUTION"),
        ("time_zone", "SYSTEM"),
        ("character_set_connection", "latin1"),
        ("innodb_flush_log_at_trx_commit", "1"),
        ("log_bin", "0"),
    ])
    .await?;
    let examined = Examined::new("catalog.database", &server.url(), 2).await?;
    let settings = [
        "sql_mode stays 'NO_ENGINE_SUBSTITUTION'",
        "time_zone stays 'SYSTEM'",
        "character_set_connection stays 'latin1'",
        "let no proxy swallow SET",
    ];
    examined.says(&settings)?;
    examined.start_says(&settings[..1]).await?;
    // The same address taken for that of a Redis.
    let url = server.url().replace("mysql://root@", "redis://");
    redis_is_bad(url.trim_end_matches("/bookstore"), &["no Redis"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_url_that_is_none_is_one_line_that_names_its_key() -> anyhow::Result<()> {
    let cases = [
        ("CATALOG__DATABASE", "postgres://a:s3cret@h/d"),
        ("CATALOG__DATABASE", "mysql://a:s3cret@h:3306"),
        ("CATALOG__DATABASE", "mysql://a:s3cret@h/d?ssl_mode=on"),
        ("CATALOG__DATABASE", "mysql://a:s3cret@h/d?ssl-ca="),
        ("ORDER__DELAY_QUEUE", "redis://a:s3cret@h/first"),
        ("ORDER__DELAY_QUEUE", "redis://a:s3cret@h?ssl-ca=ca.pem"),
    ];
    for (variable, url) in cases {
        let shop = Shop::closed(Shop::plan().set(variable, url), Layout::Together)?;
        let ran = shop.run(&["doctor"]).await?.expect_code(2)?;
        let line = ran.stderr.trim_end();
        let is_named = line.contains(&format!("BOOKSTORE_{variable}"));
        ensure!(
            is_named && line.lines().count() == 1 && !line.contains("s3cret"),
            "{url}: {line}"
        );
    }
    Ok(())
}

/// `doctor` names the mistake about the Redis of order's deadlines.
async fn redis_is_bad(url: &str, words: &[&str]) -> anyhow::Result<Examined> {
    let examined = Examined::new("order.delay_queue", url, 2).await?;
    examined.says(words)?;
    Ok(examined)
}

#[tokio::test]
async fn mistakes_about_a_redis_server_are_named() -> anyhow::Result<()> {
    let Some(server) = RedisServer::start_with(&["--requirepass", "s3cret"]).await? else {
        return Ok(());
    };
    let place = server.url().trim_start_matches("redis://");
    let good = format!("redis://:s3cret@{place}");
    let examined = Examined::new("order.delay_queue", &good, 0).await?;
    ensure!(examined.line.starts_with("ok"), "{}", examined.line);

    for (url, words) in [
        (
            format!("redis://{place}"),
            &["NOAUTH", "the URL names none"][..],
        ),
        (
            format!("redis://:s3cret2@{place}"),
            &["wrong user or password"],
        ),
        (format!("{good}/99"), &["out of range"]),
        (
            "redis://:s3cret@127.0.0.1:1".to_owned(),
            &["no server answers there", "refused"],
        ),
    ] {
        let examined = redis_is_bad(&url, words).await?;
        examined.start_says(words).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_redis_that_would_lose_deadlines_is_named() -> anyhow::Result<()> {
    let Some(server) = RedisServer::start().await? else {
        return Ok(());
    };
    let set = async |name: &str, value: &str| -> anyhow::Result<()> {
        server.call(&["CONFIG", "SET", name, value]).await
    };
    set("maxmemory", "100mb").await?;
    set("maxmemory-policy", "allkeys-lru").await?;
    let words = ["allkeys-lru throws deadlines away", "noeviction"];
    redis_is_bad(server.url(), &words).await?;
    // Books may be thrown away.
    let cache = Examined::new("catalog.cache", server.url(), 0).await?;
    ensure!(cache.line.starts_with("ok"), "{}", cache.line);

    set("maxmemory-policy", "noeviction").await?;
    set("maxmemory", "1").await?;
    redis_is_bad(server.url(), &["takes no writes", "OOM"]).await?;
    set("maxmemory", "0").await?;
    server
        .call::<String>(&["REPLICAOF", "127.0.0.1", "1"])
        .await?;
    let words = ["it is a replica", "name its master 127.0.0.1:1"];
    redis_is_bad(server.url(), &words).await?;
    Ok(())
}

#[tokio::test]
async fn a_port_is_free_served_or_taken_by_another() -> anyhow::Result<()> {
    let mut shop = Shop::closed(Shop::plan(), Layout::Together)?;
    let before = shop.run(&["doctor"]).await?.expect_code(0)?.stdout;
    ensure!(
        before.contains("catalog.database") && before.contains("payment.listen"),
        "{before}"
    );
    shop.start().await?;
    let well = shop.run(&["doctor"]).await?.expect_code(0)?.stdout;
    ensure!(well.matches(": serving").count() == 4, "{well}");
    shop.kill()?;
    // Somebody else sits on the port.
    let _squatter = TcpListener::bind(("127.0.0.1", shop.port(Service::Order)))?;
    let sick = shop.run(&["doctor"]).await?.expect_code(2)?.stdout;
    let line = sick
        .lines()
        .find(|line| line.contains("order.listen"))
        .unwrap_or_default();
    ensure!(line.starts_with("BAD"), "{sick}");
    Ok(())
}

#[tokio::test]
async fn a_metrics_page_whose_port_another_program_has_is_named() -> anyhow::Result<()> {
    let squatter = TcpListener::bind(("127.0.0.1", 0))?;
    let taken = squatter.local_addr()?;
    let words = [
        &taken.to_string()[..],
        "taken by a program that is not a bookstore",
    ];
    let examined = Examined::new("telemetry.metrics", &taken.to_string(), 2).await?;
    examined.says(&words)?;
    examined.start_says(&[&taken.to_string()]).await?;
    // The page of catalog by itself, three ports further.
    let base = format!("127.0.0.1:{}", taken.port() - 3);
    let examined = Examined::new("telemetry.metrics", &base, 2).await?;
    let report = examined.shop.run(&["doctor"]).await?.stdout;
    let bad = report.lines().find(|line| line.starts_with("BAD"));
    let is_named = bad.is_some_and(|line| words.iter().all(|word| line.contains(word)));
    ensure!(is_named, "{report}");
    Ok(())
}

#[tokio::test]
async fn a_service_elsewhere_that_nobody_serves_is_named() -> anyhow::Result<()> {
    let keys = ["order.catalog", "order.inventory", "order.payment"];
    for key in keys {
        // No reason for a start to fail: order waits for it.
        let examined = Examined::new(key, "http://127.0.0.1:1", 0).await?;
        let line = &examined.line;
        let is_told = line.contains("http://127.0.0.1:1") && line.contains("nobody answers");
        ensure!(line.starts_with('-') && is_told, "{line}");
        let examined = Examined::new(key, "http://no.such.host.invalid:1", 2).await?;
        examined.says(&["no.such.host.invalid:1", "no such host"])?;
    }
    Ok(())
}
